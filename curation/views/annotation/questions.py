"""Pages of a dataset's questions: the list with its order, adding, editing, deleting."""

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from atelier.accounts.access import child_or_404
from atelier.audit import trail
from atelier.web.methods import require_GET_POST
from curation.access import dataset_or_404
from curation.annotation import questions
from curation.forms.annotation import QuestionForm, kept_colors, kinds
from curation.models import Dataset, Question
from curation.records import targets
from curation.views.crumbs import crumbs


@require_GET
def index(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    dataset = dataset_or_404(request, project_id, dataset_id, needs="viewer")
    context = {
        "dataset": dataset,
        "crumbs": crumbs(request.project, dataset),
        "questions": [(question, _summary(question)) for question in dataset.questions.all()],
        "kinds": kinds(),
        "can_edit": request.project.role.covers("editor"),
    }
    return render(request, "curation/annotation/questions.html", context)


def _summary(question: Question) -> str:
    """Return the options in one line."""
    options = question.options
    parts = [
        ", ".join(label.get("text") or label["value"] for label in options.get("labels", [])[:12]),
        f"{options['low']} to {options['high']}" if "low" in options else "",
        ", ".join(targets.words(name) if targets.is_name(name) else name for name in options.get("pieces", [])),
        f"about {targets.words(options['piece']).lower()}" if "piece" in options else "",
    ]
    return "; ".join(part for part in parts if part)


@require_GET_POST
def new(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    kind = request.GET.get("kind", "")
    if kind not in Question.Kind.values:
        raise Http404("This kind of question does not exist.")
    form = QuestionForm(request.POST or None, dataset=dataset, kind=kind)
    if request.method == "POST" and form.is_valid():
        try:
            questions.create(dataset, **form.values())
        except ValidationError as error:
            form.take(_by_field(error))
        else:
            messages.success(request, "The question was added.")
            return redirect("curation:questions", project_id, dataset_id)
    return _form(request, dataset, form, f"New question: {Question.Kind(kind).label.lower()}")


@require_GET_POST
def edit(request: HttpRequest, project_id: int, dataset_id: int, question_id: int) -> HttpResponse:
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    question = child_or_404(dataset.questions, question_id)
    form = QuestionForm(request.POST or None, dataset=dataset, kind=question.kind, question=question)
    if request.method == "POST" and form.is_valid():
        try:
            questions.change(question, **kept_colors(question, form.values()))
        except ValidationError as error:
            form.take(_by_field(error))
        else:
            messages.success(request, "Saved.")
            return redirect("curation:questions", project_id, dataset_id)
    return _form(request, dataset, form, question.title)


def _by_field(error: ValidationError) -> dict[str, list[str]]:
    return error.message_dict if hasattr(error, "error_dict") else {"": error.messages}


def _form(request: HttpRequest, dataset: Dataset, form: QuestionForm, title: str) -> HttpResponse:
    back = reverse("curation:questions", args=[dataset.project_id, dataset.pk])
    context = {
        "form": form,
        "title": title,
        "dataset": dataset,
        "cancel_url": back,
        "crumbs": [*crumbs(request.project, dataset), ("Questions", back)],
    }
    return render(request, "curation/annotation/question_form.html", context, status=422 if form.errors else 200)


@require_GET_POST
def delete(request: HttpRequest, project_id: int, dataset_id: int, question_id: int) -> HttpResponse:
    """Ask for confirmation, with the number of answers; the POST deletes the question."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    question = child_or_404(dataset.questions, question_id)
    if request.method == "POST":
        trail.note_deletion(
            request, question, request.project, lambda: questions.delete(question, even_if_answered=True)
        )
        messages.success(request, "The question was deleted. Its answers stay in the annotations.")
        return redirect("curation:questions", project_id, dataset_id)
    count = questions.answered(question)
    there = f"There {'is' if count == 1 else 'are'} {count:,} answer{'' if count == 1 else 's'} to it, which stay in the annotations. "
    context = {
        "title": f"Delete the question {question.title}?",
        "text": (there if count else "")
        + "Annotators are no longer asked this question, and suggestions of models for it are deleted.",
        "action": request.path,
        "submit": "Delete",
        "danger": True,
        "cancel_url": reverse("curation:questions", args=[project_id, dataset_id]),
    }
    return render(request, "partials/confirm_page.html", context)


@require_POST
def move(request: HttpRequest, project_id: int, dataset_id: int, question_id: int) -> HttpResponse:
    """Move a question one place up or down."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    questions.move(child_or_404(dataset.questions, question_id), -1 if request.POST.get("to") == "up" else 1)
    return redirect("curation:questions", project_id, dataset_id)
