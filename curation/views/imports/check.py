"""The check of an import's rows on its preview: the counts, and the rows that show them, those with problems first."""

from typing import Any

from curation.formats import Mapping
from curation.forms import mapping as mapping_forms
from curation.imports import account, dry_run
from curation.imports.reader import PreviewRow
from curation.models import Import
from curation.records import history
from curation.views.records import shown

SECONDS = 3.0  # for which the page waits


def check_of(job: Import, mapping: Mapping) -> dict[str, Any]:
    """Return what the preview shows of a mapping's check. Raises ValidationError."""
    found = dry_run.check(job, mapping, SECONDS)
    told = account.of_check(job, mapping, found)
    return {
        "check": told, "checked": account.checked(told, mapping_forms.CHOICES),
        "rows": [_row(row) for row in found.rows],
    }  # fmt: skip


def _row(row: PreviewRow) -> dict[str, Any]:
    """Return one row as it came and as it will look, with what the checks found, and what can be fixed."""
    draft = row.draft
    return {
        "fixes": row.fixes,
        "line": row.line,
        "file": row.file,
        "state": row.state,
        "labels": row.labels,
        "raw": history.readable("", row.data) if row.data is not None else row.raw,
        "wrong": row.wrong,
        "cut": row.cut,
        "notes": row.notes,
        "draft": draft,
        "problems": row.problems,
        "messages": [shown(message) for message in draft.messages] if draft else [],
        "answers": [
            (name, [shown(m) for m in turns])
            for name in ("chosen", "rejected")
            if draft and (turns := getattr(draft, name))
        ],
        "fields": [(key, history.readable("", value)) for key, value in draft.fields.items()] if draft else [],
        "metadata": [(key, history.readable("", value)) for key, value in draft.metadata.items()] if draft else [],
    }
