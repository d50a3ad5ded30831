"""Pages of the review step: submitted answers, one after the other: accept, send back, correct."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_GET, require_POST

from atelier.accounts.access import child_or_404
from atelier.web import border
from curation.access import dataset_or_404
from curation.annotation import assignments, marks, review
from curation.annotation.adjudication import AnswerGroup
from curation.models import Annotation, Dataset
from curation.views.annotation import task_form
from curation.views.annotation.decision import AnswerOption, shown
from curation.views.annotation.tabs import frame
from curation.views.records import sides

Review = Annotation.Review
WHICH = {"": Review.NONE, "all": None, "accepted": Review.ACCEPTED, "corrected": Review.CORRECTED}
WORDS = [("", "Not reviewed"), ("accepted", "Accepted"), ("corrected", "Corrected"), ("all", "All")]


def _chosen(request: HttpRequest, dataset: Dataset) -> dict[str, str]:
    """Return the filters of the URL, as far as they mean something here."""
    person, question, which = (request.GET.get(name, "") for name in ("person", "question", "which"))
    names = set(dataset.questions.values_list("name", flat=True))
    filters = {
        "person": person[:150],
        "question": question if question in names else "",
        "which": which if which in WHICH else "",
    }
    return {name: value for name, value in filters.items() if value}


def _rows(dataset: Dataset, chosen: dict[str, str]) -> QuerySet[Annotation]:
    which = WHICH[chosen.get("which", "")]
    return review.waiting(dataset, chosen.get("person", ""), chosen.get("question", ""), which)


@require_GET
def page(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    """Show the first answer that matches, or the one that `at` names, with the ones beside it."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    chosen = _chosen(request, dataset)
    rows = _rows(dataset, chosen)
    at = border.whole(request.GET.get("at"))
    now = rows.filter(pk=at).first() if at else None
    return render(request, "curation/annotation/review.html", _context(request, dataset, chosen, now or rows.first()))


def _context(
    request: HttpRequest,
    dataset: Dataset,
    chosen: dict[str, str],
    annotation: Annotation | None,
    error: ValidationError | None = None,
    move: str = "",
) -> dict[str, Any]:
    rows = _rows(dataset, chosen)
    by_name = error.message_dict if error is not None and hasattr(error, "error_dict") else {}
    context = frame(request, dataset, "reviewing") | {
        "annotation": annotation,
        "query": urlencode(chosen),
        "found": rows.order_by()[:1001].count(),
        "selects": _selects(dataset, chosen),
        "error": " ".join(error.messages) if error and not by_name else "",
        "move": move,
    }
    if annotation is None:
        return context
    annotation.task.queue.dataset = annotation.record.dataset = dataset
    asked, answers = list(dataset.questions.all()), None
    if error is not None and move == "correct":
        answers = marks.kept(asked, task_form.read(asked, request.POST), error)
    errors = {name: " ".join(map(str, lines)) for name, lines in by_name.items()}
    before, after = rows.filter(pk__lt=annotation.pk).order_by("-pk").first(), rows.filter(pk__gt=annotation.pk).first()
    return context | {
        "record": annotation.record,
        "answers": _answers(dataset, annotation),
        "shown": task_form.shown(annotation, answers, errors),
        "previous_url": _address(dataset, chosen, before),
        "next_url": _address(dataset, chosen, after),
        **sides(annotation.record),
    }


def _selects(dataset: Dataset, chosen: dict[str, str]) -> list[dict[str, Any]]:
    people = [user.username for user in assignments.people(dataset.project.team_id)]
    questions = list(dataset.questions.values_list("name", "title"))
    return [
        {"name": "which", "label": "Filter", "value": chosen.get("which", ""), "options": WORDS},
        {"name": "person", "label": "Person", "value": chosen.get("person", ""),
         "options": [("", "Everyone"), *zip(people, people, strict=True)]},
        {"name": "question", "label": "Question", "value": chosen.get("question", ""), "options": [("", "Any"), *questions]},
    ]  # fmt: skip


def _answers(dataset: Dataset, annotation: Annotation) -> list[tuple[Any, AnswerOption]]:
    """Return each question with the person's answer as it is shown."""
    return [
        (
            question,
            shown(
                AnswerOption(AnswerGroup(annotation.pk, annotation.answers.get(question.name))),
                question,
                annotation.record,
            ),
        )
        for question in dataset.questions.all()
    ]


def _address(dataset: Dataset, chosen: dict[str, str], annotation: Annotation | None) -> str | None:
    if annotation is None:
        return None
    address = reverse("curation:reviewing", args=[dataset.project_id, dataset.pk])
    return f"{address}?{urlencode(chosen | {'at': annotation.pk})}"


@require_POST
def act(request: HttpRequest, project_id: int, dataset_id: int, annotation_id: int, move: str) -> HttpResponse:
    """Accept, send back, correct, or undo an acceptance; then continue with the next of the same filters."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    annotation = child_or_404(review.waiting(dataset, review=None), annotation_id)
    chosen = _chosen(request, dataset)
    after = _rows(dataset, chosen).filter(pk__gt=annotation.pk).first()
    try:
        line = _do(request, dataset, annotation, move)
    except ValidationError as error:
        context = _context(request, dataset, chosen, annotation, error, move)
        return render(request, "curation/annotation/review.html", context, status=422)
    undo = reverse("curation:review_annotation", args=[project_id, dataset_id, annotation.pk, "unmark"])
    messages.success(request, line, extra_tags=undo if move == "accept" else "")
    at = annotation if move == "unmark" else after
    return redirect(_address(dataset, chosen, at) or reverse("curation:reviewing", args=[project_id, dataset_id]))


def _do(request: HttpRequest, dataset: Dataset, annotation: Annotation, move: str) -> str:
    note = request.POST.get("note", "")
    if move == "accept":
        review.accept(annotation, request.user)
        return "Accepted."
    if move == "unmark":
        review.unmark(annotation, request.user)
        return "Returned to “Not reviewed”."
    if move == "return":
        review.send_back(annotation, request.user, note)
        return f"Sent back: {annotation.author} gets record {annotation.record_id} again with your comment."
    annotation.task.queue.dataset = dataset
    given = task_form.read(list(dataset.questions.all()), request.POST)
    review.correct(annotation, request.user, given, note, task_form.seen(request.POST))
    return "Corrected. Your answer is final; theirs is kept."
