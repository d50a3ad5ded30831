"""Notes on an import: how its file was read, what its mapping leaves out, and what was read otherwise in its rows."""

from collections.abc import Iterable

from curation.formats import Mapping
from curation.imports import drafts
from curation.models import Import


def notes_of(job: Import, mapping: Mapping | None = None, of_rows: Iterable[str] | None = None) -> list[str]:
    """Return all notes on an import in sentences, under its own mapping or another that is tried.

    The page, the command and REST show the same, before the import and after it. `of_rows` are those of a check of more
    rows than the first ones, which are noted in the import itself.
    """
    mapping = mapping or (drafts.suggested(job)[0] if job.mapping else None)
    left = mapping.leftovers(job.source.get("columns", [])) if mapping else []
    return [*job.source.get("notes", []), *left, *(job.source.get("row_notes", []) if of_rows is None else of_rows)]
