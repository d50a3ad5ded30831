"""Comments on a record, the names that @ completes, and what somebody was told."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from atelier.accounts.access import child_or_404, project_or_404
from atelier.accounts.models import User
from curation.annotation import adjudication, answers, comments, honeypots
from curation.models import Annotation, Question, Record, Task
from curation.views import decision
from curation.views.annotate_tabs import dataset_or_404

LISTED = 100


def beside(request: HttpRequest, record: Record, *, annotating: bool = False) -> dict[str, Any]:
    """The thread of a record as `record_comments.html` shows it."""
    role = request.project.role
    rows = list(comments.thread(record, request.user, role, annotating=annotating))
    members = User.objects.filter(memberships__team=request.project.team_id) if rows else User.objects.none()
    names = {name.casefold() for name in members.values_list("username", flat=True)}
    return {
        "thread_comments": [(one, comments.parts(one.text, names)) for one in rows],
        "comments_blind": comments.is_blind(record, request.user, role, annotating=annotating),
        "can_comment": role.covers("annotator"),
        "annotating": annotating,
    }


def outcome(request: HttpRequest, record: Record) -> dict[str, Any]:
    """What stands for a record, who said what, and why: for its page. Editors see of a honeypot that it is one."""
    task = adjudication.trail(record)
    role = request.project.role
    found: dict[str, Any] = {"honeypot": None, "outcome": None, "can_test": False}
    if role.covers("editor"):
        place = Task.objects.filter(record=record).first()
        test = place if place is not None and place.known is not None else None
        # Only where somebody answers questions is there anybody to test.
        is_open = test is not None or (record.dataset.questions.exists() and honeypots.can_be(place))
        found |= {"honeypot": test, "can_test": record.deleted_at is None and is_open}
    if task is None:
        return found
    task.record = record
    mine = answers.readable(record.dataset, request.user).filter(task=task, state=Annotation.State.SUBMITTED)
    rows = []
    for issue in adjudication.issues(task):
        choices = [decision.shown(decision.Choice(said), issue.question, record) for said in issue.said]
        own = issue.stands is not None and not any(said.stands for said in issue.said)
        if own and issue.question.kind != Question.Kind.COMMENT:
            said = adjudication.Said(0, issue.stands, stands=True)
            choices.insert(0, decision.shown(decision.Choice(said), issue.question, record))
        rows.append((issue, choices))
    undoable = role.covers("editor") and task.submitted > 1 and any(issue.differs for issue, _ in rows)
    return found | {"outcome": task, "outcome_rows": rows, "outcome_answers": mine, "can_reopen": undoable}


def _record_or_404(request: HttpRequest, project_id: int, dataset_id: int, pk: int, needs: str = "annotator") -> Record:
    dataset = dataset_or_404(request, project_id, dataset_id, needs=needs)
    record: Record = child_or_404(dataset.records.present(), pk)
    record.dataset = dataset
    return record


def _back(request: HttpRequest, record: Record) -> HttpResponse:
    if "annotating" in request.POST:
        return redirect("curation:annotate", record.dataset.project_id, record.dataset_id)
    return redirect(
        reverse("curation:record", args=[record.dataset.project_id, record.dataset_id, record.pk]) + "#comments"
    )


@require_POST
def add(request: HttpRequest, project_id: int, dataset_id: int, pk: int) -> HttpResponse:
    record = _record_or_404(request, project_id, dataset_id, pk)
    try:
        comments.post(record, request.user, request.POST.get("text", ""))
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    if request.htmx:
        return render(request, "curation/record_comments.html", _context(request, record))
    return _back(request, record)


def _context(request: HttpRequest, record: Record) -> dict[str, Any]:
    annotating = "annotating" in request.POST
    return {"record": record, "dataset": record.dataset, "oob": True, **beside(request, record, annotating=annotating)}


@require_POST
def settle(request: HttpRequest, project_id: int, dataset_id: int, pk: int, comment_id: int, move: str) -> HttpResponse:
    """Resolve a comment, or open it again."""
    record = _record_or_404(request, project_id, dataset_id, pk)
    annotating = "annotating" in request.POST
    rows = comments.thread(record, request.user, request.project.role, annotating=annotating)
    comment = child_or_404(rows, comment_id)
    if move == "resolve":
        comments.resolve(comment, request.user)
    else:
        comments.reopen(comment)
    if request.htmx:
        return render(request, "curation/record_comments.html", _context(request, record))
    return _back(request, record)


@require_GET
def names(request: HttpRequest, project_id: int) -> JsonResponse:
    """The members that the @word at the end of `q` may mean."""
    project = project_or_404(request, project_id, needs="annotator")
    return JsonResponse({"items": comments.completions(project, request.GET.get("q", "")[-500:].replace("\x00", " "))})


@require_GET
def mentions(request: HttpRequest, project_id: int) -> HttpResponse:
    """What the person was told in this project, unread first in weight, newest first in order."""
    project = project_or_404(request, project_id)
    rows = list(comments.mentions(request.user, project)[:LISTED])
    context = {
        "rows": [(one, comments.text_for(one, request.user, project.role)) for one in rows],
        "unread": sum(one.read_at is None for one in rows),
    }
    return render(request, "curation/mentions.html", context)


@require_POST
def read(request: HttpRequest, project_id: int) -> HttpResponse:
    """Everything is read; or with `mention` one, and on to its record."""
    project = project_or_404(request, project_id)
    given = request.POST.get("mention", "")
    if not given.isdecimal() or len(given) > 18:
        comments.read(request.user, project)
        return redirect("curation:mentions", project_id)
    mention = child_or_404(comments.mentions(request.user, project), given)
    comments.read(request.user, project, mention.pk)
    dataset_id, pk = mention.record.dataset_id, mention.record_id
    sent_back = (
        mention.comment is None and Annotation.objects.filter(record=pk, user=request.user, state="open").exists()
    )
    if sent_back:
        return redirect("curation:annotate", project_id, dataset_id)
    return redirect(reverse("curation:record", args=[project_id, dataset_id, pk]) + "#comments")
