"""Pages: one record, side by side with its source; review, edit in place, history. Filters stay in the address."""

import json
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from atelier.accounts.access import child_or_404, project_or_404
from curation import datasets, editing, history, lineage, merging, records
from curation.chat import ROLES, text_of, thinking_of
from curation.diffs import word_diff
from curation.editing import Wish
from curation.filters import Filters
from curation.models import Queue, Record
from curation.records import Conflict
from curation.views import annotate_landing, comments
from curation.views.datasets import crumbs, query

DONE = {"accept": "Accepted.", "reject": "Rejected.", "skip": "Skipped.", "reopen": "Put back to review."}


@require_GET
def first(request: HttpRequest, project_id: int) -> HttpResponse:
    """Straight to the first record that waits; where people annotate in queues too, the page that leads to both."""
    project = project_or_404(request, project_id)
    if "go" not in request.GET and Queue.objects.filter(dataset__in=project.datasets.all()).exists():
        return annotate_landing.page(request, project)
    record = datasets.first_to_review(project)
    if record is None:
        return render(request, "curation/review.html", {"rows": datasets.with_counts(project)})
    return redirect(_address(project_id, record.dataset_id, record.pk, Filters(status="new", sort="oldest")))


def _address(project_id: int, dataset_id: int, pk: int, chosen: Filters, name: str = "record") -> str:
    found = query(chosen)
    return reverse(f"curation:{name}", args=[project_id, dataset_id, pk]) + (f"?{found}" if found else "")


def _record_or_404(request: HttpRequest, project_id: int, dataset_id: int, pk: int, needs: str = "viewer") -> Record:
    project = project_or_404(request, project_id, needs=needs)
    dataset = child_or_404(project.datasets.select_related("project"), dataset_id)
    record = child_or_404(dataset.records.select_related("imported_by", "source__dataset", "reviewed_by"), pk)
    record.dataset = dataset
    return record


@require_GET
def page(request: HttpRequest, project_id: int, dataset_id: int, pk: int) -> HttpResponse:
    record = _record_or_404(request, project_id, dataset_id, pk)
    return render(request, "curation/record.html", _context(request, record))


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
        **comments.beside(request, record),
        **comments.outcome(request, record),
        **more,
    }


def sides(record: Record) -> dict[str, Any]:
    """What stands left and right, and the words that differ between the source and the last answer."""
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
    """The longest source field, else what the user said last: what the answer is a rewrite of."""
    texts = [value for value in record.fields.values() if isinstance(value, str)]
    said = [text_of(m) for m in record.messages if isinstance(m, dict) and m.get("role") == "user"]
    return max(texts, key=len) if texts else said[-1] if said else ""


def _said(turns: list[Any]) -> str:
    return "\n\n".join(text_of(message) for message in turns if isinstance(message, dict))


def shown(message: Any) -> dict[str, Any]:
    """A message as `partials/message.html` shows it; what is no message is shown as it is."""
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
    """Accept, reject, skip or reopen, then on to the next record of the same list."""
    record = _record_or_404(request, project_id, dataset_id, pk, needs="annotator")
    chosen, action = Filters.lenient(request.GET), request.POST.get("action", "")
    _, after = chosen.neighbours(record, record.dataset)  # before the change, for it may leave the list
    try:
        change = records.review(record, request.user, action, _revision(request))
    except Conflict as conflict:
        return _stale(request, conflict.record)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return redirect(_address(project_id, dataset_id, pk, chosen))
    if change is not None:
        undo = reverse("curation:restore_record", args=[project_id, dataset_id, pk, change.pk])
        messages.success(request, DONE[action], extra_tags=f"{undo}?{query(chosen)}")
    if after is None and chosen.narrow:
        messages.info(request, "That was the last record of this list.")
    return redirect(_address(project_id, dataset_id, after or pk, chosen))


def _revision(request: HttpRequest) -> int | None:
    given = request.POST.get("revision", "")
    return int(given) if given.isdecimal() and len(given) < 10 else None


@require_POST
def edit(request: HttpRequest, project_id: int, dataset_id: int, pk: int) -> HttpResponse:
    """Save the record, and with `then=accept` go on to the next; when somebody else was faster, both are shown."""
    record = _record_or_404(request, project_id, dataset_id, pk, needs="annotator")
    wish, revision = Wish.read(request.POST.dict()), _revision(request) or 0
    if request.POST.get("add"):  # one more message to fill in; nothing is saved yet
        wish = wish.with_one_more(request.POST["add"])
        return render(request, "curation/record.html", _context(request, record, editing=True, **_editor(record, wish)))
    chosen, accepts = Filters.lenient(request.GET), request.POST.get("then") == "accept"
    after = chosen.neighbours(record, record.dataset)[1] if accepts else None  # before the change, as in `review`
    try:
        if revision != record.revision:
            return _both(request, record, wish, revision)
        change = records.change(record, request.user, "edit", revision=revision, **editing.values(record, wish))
        if accepts:
            records.review(record, request.user, "accept")
    except Conflict as conflict:
        return _both(request, conflict.record, wish, revision)
    except ValidationError as error:
        context = _context(request, record, editing=True, error=" ".join(error.messages), **_editor(record, wish))
        return render(request, "curation/record.html", context, status=422)
    saved = "Saved" if change else "Nothing was changed"
    messages.success(request, f"{saved}; accepted." if accepts else f"{saved}.")
    return redirect(_address(project_id, dataset_id, after or pk, chosen))


def _editor(record: Record, wish: Wish | None = None) -> dict[str, Any]:
    """The fields of the editor: as the record is, or as they were sent."""
    sent = wish or Wish()
    pieces = records.pieces(record)

    def fields(name: str) -> list[tuple[records.Piece, str]]:
        mine = [piece for piece in pieces if piece.name == name or piece.name.startswith(f"{name}.")]
        return [(piece, sent.texts.get(piece.name, piece.text)) for piece in mine]

    def added(name: str) -> list[editing.Added]:
        return [each for each in sent.added if each.after == name]

    columns = []
    for column in editing.TURNS:
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
        "metadata_text": editing.shown(record.metadata) if sent.metadata is None else sent.metadata,
        "tools_text": editing.shown(record.tools) if sent.tools is None else sent.tools,
    }


def _both(request: HttpRequest, record: Record, wish: Wish, revision: int) -> HttpResponse:
    """409 with their changes and mine, from the same beginning where the history still knows it."""
    base = merging.as_of(record, revision)
    seen = Record(dataset=record.dataset, **(base or merging.columns_of(record)))
    mine = merging.columns_of(seen) | editing.values(seen, wish)
    return _clashing(request, record, base, mine, revision)


def _clashing(request: HttpRequest, record: Record, base: Any, mine: Any, revision: int) -> HttpResponse:
    merged, clashes = merging.merge(base, merging.columns_of(record), mine)
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
    return render(request, "curation/record_conflict.html", context, status=409)


@require_POST
def merge(request: HttpRequest, project_id: int, dataset_id: int, pk: int) -> HttpResponse:
    """Save what was decided about each place that two people changed at once."""
    record = _record_or_404(request, project_id, dataset_id, pk, needs="annotator")
    base_revision = request.POST.get("base", "")
    base = merging.as_of(record, int(base_revision)) if base_revision.isdecimal() and len(base_revision) < 10 else None
    try:
        mine = merging.read(request.POST.get("mine", ""))
        if _revision(request) != record.revision:  # once more somebody was faster
            return _clashing(request, record, base, mine, int(base_revision or 0))
        merged, clashes = merging.merge(base, merging.columns_of(record), mine)
        values = merging.settle(record, merged, clashes, mine, request.POST)
        change = records.change(record, request.user, "merge", **values)
    except Conflict as conflict:
        return _clashing(request, conflict.record, base, mine, int(base_revision or 0))
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return redirect(_address(project_id, dataset_id, pk, Filters.lenient(request.GET)))
    messages.success(request, "Both are saved together." if change else "It stays as they wrote it.")
    return redirect(_address(project_id, dataset_id, pk, Filters.lenient(request.GET)))


def _stale(request: HttpRequest, record: Record) -> HttpResponse:
    """409 for a decision about a record that is another one now."""
    context = _context(request, record, last=record.changes.first(), clashes=[], fits=[])
    return render(request, "curation/record_conflict.html", context, status=409)


@require_POST
def restore(request: HttpRequest, project_id: int, dataset_id: int, pk: int, change_id: int) -> HttpResponse:
    """Put back what a change replaced; the change itself stays in the history."""
    record = _record_or_404(request, project_id, dataset_id, pk, needs="annotator")
    old = child_or_404(record.changes, change_id)
    try:
        change = records.restore(record, request.user, old, _revision(request))
    except Conflict as conflict:
        return _stale(request, conflict.record)
    messages.success(request, "Put back." if change else "It is so already.")
    return redirect(_address(project_id, dataset_id, pk, Filters.lenient(request.GET)))
