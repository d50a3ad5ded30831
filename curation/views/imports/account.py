"""The account of an import on its page: what became of its rows and columns, and each guess with the way to another reading."""

from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from atelier.jobs.pages import job_or_404
from atelier.web.toasts import say_error
from curation.formats import Source
from curation.formats.readers.sources import guesses as guessed
from curation.forms import mapping as mapping_forms
from curation.imports import account, drafts
from curation.models import Import

SHOWN = 20  # columns of each group
WHATS = {
    "encoding": "Encoding", "delimiter": "Delimiter", "quoting": "Quotes", "header": "Column names", "sheet": "Sheet",
    "kind": "Import rows as", "mapping": "Use of the columns",
}  # fmt: skip


def account_of(job: Import) -> dict[str, Any]:
    """Return what the page shows of the account: sums, columns by what became of them, guesses."""
    found = account.of(job)
    columns = [column | {"label": mapping_forms.CHOICES.get(column["use"], "")} for column in found["columns"]]
    used = [column for column in columns if column["use"] not in (account.UNUSED, account.KEPT)]
    groups = [
        ("Used", used),
        ("Kept as metadata", [column for column in columns if column["use"] == account.KEPT]),
        ("Not used", [column for column in columns if column["use"] == account.UNUSED]),
    ]
    guesses = [guess | {"label": WHATS[guess["what"]]} for guess in found["guesses"] if not guess["chosen"]]
    named = guessed(Source.from_json(job.source)) if job.source.get("format") else ()
    notes = [note for note in job.source.get("notes", []) if note not in named]  # the guesses have a list of their own
    return {
        "account": found,
        "column_groups": [(title, some[:SHOWN], max(len(some) - SHOWN, 0)) for title, some in groups if some],
        "repeated": account.repeated(found["repeated_ids"]),
        "guesses": guesses,
        "notes": [*notes, *job.source.get("row_notes", [])],
    }


@require_POST
def again(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    """Begin another import of the same file, at its preview, where every guess can be chosen otherwise."""
    job = job_or_404(request, Import, project_id, pk, needs="editor")
    try:
        draft = drafts.again(job, request.user)
    except ValidationError as error:
        say_error(request, error)
        return redirect("curation:import", project_id, pk)
    return redirect("curation:import", project_id, draft.pk)
