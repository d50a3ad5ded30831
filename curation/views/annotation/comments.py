"""Views of a record's comments, completion of @names, and a person's mentions."""

from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from atelier.accounts.access import child_or_404, project_or_404
from atelier.accounts.models import User
from atelier.web import border
from atelier.web.toasts import say_error
from curation.access import dataset_or_404
from curation.annotation import adjudication, answers, comments, honeypots, marks
from curation.models import Annotation, Question, Record, Task
from curation.views.annotation import decision

LISTED = 100


def beside(request: HttpRequest, record: Record, *, annotating: bool = False) -> dict[str, Any]:
    """Return the thread of a record as `record_comments.html` shows it."""
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
    """Return a record's final answers, who answered what, and why, for its page. Editors see whether it is a honeypot."""
    task = adjudication.trail(record)
    role = request.project.role
    context: dict[str, Any] = {"honeypot": None, "outcome": None, "can_test": False, "can_settle": False, "aside": []}
    if role.covers("editor"):
        place = Task.objects.filter(record=record).first()
        test = place if place is not None and place.known is not None else None
        # Only where somebody answers questions is there anybody to test.
        is_open = test is not None or (record.dataset.questions.exists() and honeypots.can_be(place))
        trails = marks.visible(record.dataset, answers.readable(record.dataset, request.user)).filter(record=record)
        aside = marks.aside(trails, marks.LISTED + 1)
        context |= {"aside": aside[: marks.LISTED], "aside_more": len(aside) > marks.LISTED}
        context["can_settle"] = record.deleted_at is None
        context |= {"honeypot": test, "can_test": record.deleted_at is None and is_open}
    if task is None:
        return context
    task.record = record
    mine = answers.readable(record.dataset, request.user).filter(task=task, state=Annotation.State.SUBMITTED)
    rows = []
    for issue in adjudication.issues(task):
        choices = [decision.shown(decision.AnswerOption(group), issue.question, record) for group in issue.said]
        own = issue.stands is not None and not any(group.stands for group in issue.said)
        if own and issue.question.kind != Question.Kind.COMMENT:
            group = adjudication.AnswerGroup(0, issue.stands, stands=True)
            choices.insert(0, decision.shown(decision.AnswerOption(group), issue.question, record))
        rows.append((issue, choices))
    undoable = role.covers("editor") and task.submitted > 1 and any(issue.differs for issue, _ in rows)
    return context | {"outcome": task, "outcome_rows": rows, "outcome_answers": mine, "can_reopen": undoable}


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
        say_error(request, error)
    if request.htmx:
        return render(request, "curation/annotation/comments.html", _context(request, record))
    return _back(request, record)


def _context(request: HttpRequest, record: Record) -> dict[str, Any]:
    annotating = "annotating" in request.POST
    return {"record": record, "dataset": record.dataset, "oob": True, **beside(request, record, annotating=annotating)}


@require_POST
def settle(request: HttpRequest, project_id: int, dataset_id: int, pk: int, comment_id: int, move: str) -> HttpResponse:
    """Resolve a comment, or reopen it."""
    record = _record_or_404(request, project_id, dataset_id, pk)
    annotating = "annotating" in request.POST
    rows = comments.thread(record, request.user, request.project.role, annotating=annotating)
    comment = child_or_404(rows, comment_id)
    if move == "resolve":
        comments.resolve(comment, request.user)
    else:
        comments.reopen(comment)
    if request.htmx:
        return render(request, "curation/annotation/comments.html", _context(request, record))
    return _back(request, record)


@require_GET
def names(request: HttpRequest, project_id: int) -> JsonResponse:
    """Return the members that the @word at the end of `q` may mean."""
    project = project_or_404(request, project_id, needs="annotator")
    return JsonResponse({"items": comments.completions(project, request.GET.get("q", "")[-500:])})


@require_GET
def mentions(request: HttpRequest, project_id: int) -> HttpResponse:
    """Show the person's mentions in this project, newest first, the unread ones emphasised."""
    project = project_or_404(request, project_id)
    rows = list(comments.mentions(request.user, project)[:LISTED])
    context = {
        "rows": [(mention, comments.text_for(mention, request.user, project.role)) for mention in rows],
        "unread": sum(mention.read_at is None for mention in rows),
    }
    return render(request, "curation/annotation/mentions.html", context)


@require_POST
def read(request: HttpRequest, project_id: int) -> HttpResponse:
    """Mark every mention as read; or with `mention` one, and redirect to its record."""
    project = project_or_404(request, project_id)
    mention_id = request.POST.get("mention", "")
    if not mention_id:
        comments.read(request.user, project)
        return redirect("curation:mentions", project_id)
    mention = child_or_404(comments.mentions(request.user, project), border.whole(mention_id) or 0)
    comments.read(request.user, project, mention.pk)
    dataset_id, pk = mention.record.dataset_id, mention.record_id
    sent_back = (
        mention.comment is None and Annotation.objects.filter(record=pk, user=request.user, state="open").exists()
    )
    if sent_back:
        return redirect("curation:annotate", project_id, dataset_id)
    return redirect(reverse("curation:record", args=[project_id, dataset_id, pk]) + "#comments")
