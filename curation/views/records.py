"""Pages of one record, side by side with its source; review, edit in place, history. Filters stay in the URL."""

import json
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from atelier.accounts.access import child_or_404, project_or_404
from atelier.web import border
from atelier.web.toasts import say_error
from curation.access import dataset_or_404
from curation.chat import ROLES, text_of, thinking_of
from curation.diffs import word_diff
from curation.models import ErasedRecord, Queue, Record
from curation.records import changes, editor, history
from curation.records import merge as record_merge
from curation.records import pieces as record_pieces
from curation.records.changes import Conflict
from curation.records.editor import RecordForm
from curation.search import counts as record_counts
from curation.search.filters import Filters
from curation.versions import lineage
from curation.views.annotation import comments, landing
from curation.views.crumbs import crumbs
from curation.views.datasets.pages import query

DONE = {"accept": "Accepted.", "reject": "Rejected.", "skip": "Skipped.", "reopen": "Returned to “To review”."}


@require_GET
def first(request: HttpRequest, project_id: int) -> HttpResponse:
    """Redirect to the first record that waits; if people annotate in queues too, to the page that leads to both."""
    project = project_or_404(request, project_id)
    if "go" not in request.GET and Queue.objects.filter(dataset__in=project.datasets.all()).exists():
        return landing.page(request, project)
    record = record_counts.first_to_review(project)
    if record is None:
        return render(request, "curation/annotation/landing.html", {"rows": record_counts.with_counts(project)})
    return redirect(_address(project_id, record.dataset_id, record.pk, Filters(status="new", sort="oldest")))


def _address(project_id: int, dataset_id: int, pk: int, chosen: Filters, name: str = "record") -> str:
    found = query(chosen)
    return reverse(f"curation:{name}", args=[project_id, dataset_id, pk]) + (f"?{found}" if found else "")


def _record_or_404(request: HttpRequest, project_id: int, dataset_id: int, pk: int, needs: str = "viewer") -> Record:
    dataset = dataset_or_404(request, project_id, dataset_id, needs=needs)
    record = child_or_404(dataset.records.select_related("imported_by", "source__dataset", "reviewed_by"), pk)
    record.dataset = dataset
    return record


@require_GET
def page(request: HttpRequest, project_id: int, dataset_id: int, pk: int) -> HttpResponse:
    record = _record_or_404(request, project_id, dataset_id, pk)
    return render(request, "curation/records/record.html", _context(request, record))


def _context(request: HttpRequest, record: Record, **more: Any) -> dict[str, Any]:
    chosen, role = Filters.lenient(request.GET), request.project.role
    dataset, args = record.dataset, [record.dataset.project_id, record.dataset_id, record.pk]
    before, after = chosen.neighbours(record, dataset)
    addresses = {name: _address(*args, chosen, name) for name in ("review_record", "edit_record")}
    here = _address(*args, chosen)
    can_review = role.covers("annotator") and record.deleted_at is None
    return {
        "record": record,
        "dataset": dataset,
        "crumbs": crumbs(request.project, dataset),
        "can_review": can_review,
        "query": query(chosen),
        "editing": can_review and "edit" in request.GET,
        **_editor(record),
        "here": here,
        **addresses,
        **sides(record),
        "list_url": reverse("curation:dataset", args=args[:2]) + f"?{query(chosen)}",
        "narrow": chosen.narrow,
        "previous_url": _address(*args[:2], before, chosen) if before else None,
        "next_url": _address(*args[:2], after, chosen) if after else None,
        "edit_url": here + ("&" if "?" in here else "?") + "edit=1",
        "history": history.entries(record),
        "generation": getattr(record, "generation", None),
        "onward": lineage.onward(record),
        "erased": ErasedRecord.objects.filter(record=record).select_related("erasure").first(),
        "can_erase": role.covers("editor"),
        **comments.beside(request, record),
        **comments.outcome(request, record),
        **more,
    }


def sides(record: Record) -> dict[str, Any]:
    """Return what is shown left and right, and the words that differ between the source and the last answer."""
    thread = [shown(message) for message in record.messages]
    answer = thread[-1:] if thread and thread[-1]["role"] == "assistant" else []
    for message in thread:  # what stands in the source already need not be read twice
        message["is_source"] = message["role"] == "user" and message["text"] in record.fields.values()
    source, answered = _source_text(record), answer[0]["text"] if answer else ""
    return {
        "fields": [(key, history.readable("", value)) for key, value in record.fields.items()],
        "metadata": [(key, history.readable("", value)) for key, value in record.metadata.items()],
        "thread": thread,
        "prompt": thread[:-1] if answer else thread,
        "answer": answer,
        "chosen": [shown(message) for message in record.chosen],
        "rejected": [shown(message) for message in record.rejected],
        "diff": word_diff(source, answered) if source and answered else None,
        "preference_diff": word_diff(_said(record.rejected), _said(record.chosen))
        if record.chosen and record.rejected
        else None,
    }


def _source_text(record: Record) -> str:
    """Return the longest source field, else the last user message: what the answer is a rewrite of."""
    texts = [value for value in record.fields.values() if isinstance(value, str)]
    prompts = [text_of(m) for m in record.messages if isinstance(m, dict) and m.get("role") == "user"]
    return max(texts, key=len) if texts else prompts[-1] if prompts else ""


def _said(turns: list[Any]) -> str:
    return "\n\n".join(text_of(message) for message in turns if isinstance(message, dict))


def shown(message: Any) -> dict[str, Any]:
    """Return a message as `partials/message.html` shows it; what is no message is shown as it is."""
    if not isinstance(message, dict):
        return {"role": "unknown", "text": history.readable("", message)}
    calls = message.get("tool_calls") if isinstance(message.get("tool_calls"), list) else []
    functions = [call.get("function") if isinstance(call, dict) else None for call in calls]
    return {
        "role": str(message.get("role", "")),
        "text": text_of(message),
        "reasoning": thinking_of(message),
        "name": message.get("name") or "",
        "tool_calls": [
            (f.get("name", ""), history.readable("", f.get("arguments"))) for f in functions if isinstance(f, dict)
        ],
    }


@require_POST
def review(request: HttpRequest, project_id: int, dataset_id: int, pk: int) -> HttpResponse:
    """Accept, reject, skip or reopen, then continue with the next record of the same list."""
    record = _record_or_404(request, project_id, dataset_id, pk, needs="annotator")
    chosen, action = Filters.lenient(request.GET), request.POST.get("action", "")
    _, after = chosen.neighbours(record, record.dataset)  # before the change, for it may leave the list
    try:
        change = changes.review(record, request.user, action, _revision(request))
    except Conflict as conflict:
        return _stale(request, conflict.record)
    except ValidationError as error:
        say_error(request, error)
        return redirect(_address(project_id, dataset_id, pk, chosen))
    if change is not None:
        undo = reverse("curation:restore_record", args=[project_id, dataset_id, pk, change.pk])
        messages.success(request, DONE[action], extra_tags=f"{undo}?{query(chosen)}")
    if after is None and chosen.narrow:
        messages.info(request, "This was the last record of the list.")
    return redirect(_address(project_id, dataset_id, after or pk, chosen))


def _revision(request: HttpRequest) -> int | None:
    return border.whole(request.POST.get("revision"), most=border.BIGGEST_INT)


@require_POST
def edit(request: HttpRequest, project_id: int, dataset_id: int, pk: int) -> HttpResponse:
    """Save the record, and with `then=accept` continue with the next; if somebody else saved first, show both edits."""
    record = _record_or_404(request, project_id, dataset_id, pk, needs="annotator")
    form, revision = RecordForm.read(request.POST.dict()), _revision(request) or 0
    if request.POST.get("add"):  # one more message to fill in; nothing is saved yet
        form = form.with_one_more(request.POST["add"])
        return render(
            request, "curation/records/record.html", _context(request, record, editing=True, **_editor(record, form))
        )
    chosen, accepts = Filters.lenient(request.GET), request.POST.get("then") == "accept"
    after = chosen.neighbours(record, record.dataset)[1] if accepts else None  # before the change, as in `review`
    try:
        if revision != record.revision:
            return _both(request, record, form, revision)
        change = changes.change(record, request.user, "edit", revision=revision, **editor.values(record, form))
        if accepts:
            changes.review(record, request.user, "accept")
    except Conflict as conflict:
        return _both(request, conflict.record, form, revision)
    except ValidationError as error:
        context = _context(request, record, editing=True, error=" ".join(error.messages), **_editor(record, form))
        return render(request, "curation/records/record.html", context, status=422)
    saved = "Saved" if change else "No changes"
    messages.success(request, f"{saved}; accepted." if accepts else f"{saved}.")
    return redirect(_address(project_id, dataset_id, after or pk, chosen))


def _editor(record: Record, form: RecordForm | None = None) -> dict[str, Any]:
    """Return the fields of the editor: as the record is, or as they were sent."""
    sent = form or RecordForm()
    pieces = record_pieces.read(record)

    def fields(name: str) -> list[tuple[record_pieces.Piece, str]]:
        mine = [piece for piece in pieces if piece.name == name or piece.name.startswith(f"{name}.")]
        return [(piece, sent.texts.get(piece.name, piece.text)) for piece in mine]

    def added(name: str) -> list[editor.NewMessage]:
        return [each for each in sent.added if each.after == name]

    columns = []
    for column in editor.TURNS:
        turns = getattr(record, column)
        if not turns and (column != "messages" or record.dataset.kind == "documents"):
            continue
        rows = []
        for index, message in enumerate(turns):
            name = f"{column}.{index}"
            role = sent.roles.get(name, str(message.get("role", "")) if isinstance(message, dict) else "")
            rows.append(
                {
                    "name": name,
                    "role": role,
                    "fields": fields(name),
                    "dropped": name in sent.dropped,
                    "added": added(name),
                }
            )
        columns.append({"name": column, "start": f"{column}.", "rows": rows, "added": added(f"{column}.")})
    return {
        "source_pieces": fields("fields"),
        "columns": columns,
        "roles": ROLES,
        "labels_text": "\n".join(record.labels) if sent.labels is None else sent.labels,
        "metadata_text": editor.shown(record.metadata) if sent.metadata is None else sent.metadata,
        "tools_text": editor.shown(record.tools) if sent.tools is None else sent.tools,
    }


def _both(request: HttpRequest, record: Record, form: RecordForm, revision: int) -> HttpResponse:
    """Return 409 with their changes and mine, from the same base if the history still has it."""
    base = record_merge.as_of(record, revision)
    seen = Record(dataset=record.dataset, **(base or record_merge.columns_of(record)))
    mine = record_merge.columns_of(seen) | editor.values(seen, form)
    return _clashing(request, record, base, mine, revision)


def _clashing(request: HttpRequest, record: Record, base: Any, mine: Any, revision: int) -> HttpResponse:
    merged, clashes = record_merge.merge(base, record_merge.columns_of(record), mine)
    context = _context(
        request,
        record,
        clashes=clashes,
        fits=[name for name, value in merged.items() if value != getattr(record, name)],
        mine=json.dumps(mine, ensure_ascii=False),
        base=revision,
        last=record.changes.first(),
        merge_url=_address(
            record.dataset.project_id, record.dataset_id, record.pk, Filters.lenient(request.GET), "merge_record"
        ),
    )
    return render(request, "curation/records/conflict.html", context, status=409)


@require_POST
def merge(request: HttpRequest, project_id: int, dataset_id: int, pk: int) -> HttpResponse:
    """Save what was decided about each place that two people changed at once."""
    record = _record_or_404(request, project_id, dataset_id, pk, needs="annotator")
    base_revision = border.whole(request.POST.get("base"), most=border.BIGGEST_INT)
    base = record_merge.as_of(record, base_revision) if base_revision is not None else None
    try:
        mine = record_merge.read(request.POST.get("mine", ""))
        if _revision(request) != record.revision:  # once more somebody was faster
            return _clashing(request, record, base, mine, base_revision or 0)
        merged, clashes = record_merge.merge(base, record_merge.columns_of(record), mine)
        values = record_merge.settle(record, merged, clashes, mine, request.POST)
        change = changes.change(record, request.user, "merge", **values)
    except Conflict as conflict:
        return _clashing(request, conflict.record, base, mine, base_revision or 0)
    except ValidationError as error:
        say_error(request, error)
        return redirect(_address(project_id, dataset_id, pk, Filters.lenient(request.GET)))
    messages.success(request, "Both edits were merged." if change else "Kept their version.")
    return redirect(_address(project_id, dataset_id, pk, Filters.lenient(request.GET)))


def _stale(request: HttpRequest, record: Record) -> HttpResponse:
    """Return 409 for a decision about a record that has changed since."""
    context = _context(request, record, last=record.changes.first(), clashes=[], fits=[])
    return render(request, "curation/records/conflict.html", context, status=409)


@require_POST
def restore(request: HttpRequest, project_id: int, dataset_id: int, pk: int, change_id: int) -> HttpResponse:
    """Restore what a change replaced; the change itself stays in the history."""
    record = _record_or_404(request, project_id, dataset_id, pk, needs="annotator")
    old = child_or_404(record.changes, change_id)
    try:
        change = changes.restore(record, request.user, old, _revision(request))
    except Conflict as conflict:
        return _stale(request, conflict.record)
    messages.success(request, "Restored." if change else "The record already has this content.")
    return redirect(_address(project_id, dataset_id, pk, Filters.lenient(request.GET)))
