"""Dry runs of an import: its first rows checked under a mapping, before the start or instead of it."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.files.storage import default_storage

from atelier.accounts.models import User
from curation.formats import FormatError, Mapping, Source
from curation.imports import account, drafts
from curation.imports.reader import CheckedRows, FileReader
from curation.models import Dataset, Import

ROWS = 10_000  # that are checked
SECONDS = 5.0  # for which a caller waits for them at most
SHOWN = 20


def check(job: Import, mapping: Mapping, seconds: float = SECONDS) -> CheckedRows:
    """Check the first rows, at most `ROWS` and for so many seconds, under a mapping. Raises ValidationError."""
    try:
        with drafts.local(job) as path, FileReader(path) as file:
            return file.check(Source.from_json(job.source), mapping, ROWS, seconds, SHOWN)
    except FormatError as error:
        raise ValidationError(str(error)) from error


def run(dataset: Dataset, user: User | None, mapping: Mapping | None, **source: Any) -> dict[str, Any]:
    """Check a file's rows under a mapping, by default the suggested one, and keep nothing; `source` as `drafts.begin` takes it.

    Raises ValidationError, also for what only a job would download.
    """
    job = drafts.begin(dataset, user, **source)
    try:
        if not job.file:
            raise ValidationError(
                "Only rows, texts and files can be checked by command or REST. Use the import page for other sources."
            )
        drafts.refuse_unreadable(job)
        suggestion, lacks = drafts.suggested(job)
        if mapping is None and lacks:
            raise ValidationError(f"{lacks} Send a mapping. The columns are {', '.join(job.source['columns'])[:400]}.")
        chosen = mapping or suggestion
        drafts.check_columns(job, chosen)
        job.mapping = chosen.to_json()
        job.source["mapping_guessed"] = mapping is None
        return account.of_check(job, chosen, check(job, chosen))
    finally:
        if job.file:
            default_storage.delete(job.file)
        job.delete()
