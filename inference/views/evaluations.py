"""Pages of evaluations: the list, a new one, its scores, each row's answers, and downloads."""

from typing import Any

from django.core.exceptions import BadRequest, ValidationError
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.views.decorators.http import require_GET, require_POST

from atelier.accounts.access import child_or_404, project_or_404
from atelier.accounts.models import Project
from atelier.audit import trail
from atelier.jobs import queue
from atelier.jobs.pages import addresses, job_or_404, moved
from atelier.web import border
from atelier.web.methods import require_GET_POST
from curation.diffs import word_diff
from inference import sampling
from inference.comparisons import turns
from inference.evaluations import answers, ledger, scores
from inference.forms.evaluations import EvaluationForm
from inference.models import Evaluation

PAGE = 30
NEXT_LINES = {
    "done": 'The scores and every answer are listed below. Votes in <a href="{}">Compare</a> show whether people agree with the figures.',
    "failed": "Fix the problem above, then retry. Only missing answers are requested.",
    "cancelled": "Existing answers are kept; retry requests the rest.",
    "paused": "Existing answers are kept; resume requests the rest.",
}


@require_GET
def evaluation_list(request: HttpRequest, project_id: int) -> HttpResponse:
    project = project_or_404(request, project_id)
    rows = project.evaluations.select_related("version__dataset", "created_by").order_by("-pk")
    before = border.whole(request.GET.get("before"))
    evaluation_rows = list((rows.filter(pk__lt=before) if before else rows)[: PAGE + 1])
    context = {
        "rows": [{"evaluation": row, "lines": scores.headline(row)} for row in evaluation_rows[:PAGE]],
        "next_url": f"?before={evaluation_rows[PAGE - 1].pk}" if len(evaluation_rows) > PAGE else None,
        "can_create": project.role.covers("editor"),
        "has_version": ledger.versions_of(project).exists(),
        "has_models": bool(turns.choices(project)),
    }
    return render(request, "inference/evaluations/index.html" + ("#rows" if request.htmx else ""), context)


@require_GET_POST
def new_evaluation(request: HttpRequest, project_id: int) -> HttpResponse:
    """Create an evaluation; `?version=3` and `?endpoints=1,2` choose those."""
    project = project_or_404(request, project_id, needs="editor")
    form = EvaluationForm(request.POST or None, project=project, initial=_suggestion(request, project))
    status = 200
    if request.method == "POST":
        try:
            if form.is_valid():
                evaluation = ledger.create(**_wanted(form), user=request.user)
                queue.wake(evaluation)
                return redirect("inference:evaluation", project.pk, evaluation.pk)
        except ValidationError as error:
            form.add_error(None, error)
        status = 422
    return render(request, "inference/evaluations/new.html", {"form": form}, status=status)


def _wanted(form: EvaluationForm) -> dict[str, Any]:
    names = ("version", "endpoints", "split", "name", "system_prompt", "rules", "limit", "concurrency")
    return {name: form.cleaned_data[name] for name in names} | {"sampling": form.sampling(), "prompts": form.prompts()}


def _suggestion(request: HttpRequest, project: Project) -> dict[str, Any]:
    choices = turns.choices(project)
    ticked = border.wholes(request.GET.get("endpoints", "")) or [endpoint.pk for endpoint in turns.suggested(choices)]
    chosen = [endpoint for endpoint in choices if endpoint.pk in ticked]
    return {
        "version": border.whole(request.GET.get("version")),
        "rules": project.rules,
        "concurrency": 8,
        "endpoints": ticked,
        **sampling.suggested(chosen, ledger.GREEDY.as_json()),
    }


@require_GET
def evaluation_page(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    """Show an evaluation.

    `?fails=rule` keeps the rows where an answer breaks that rule, `?q=` those with the words; `after` pages.
    """
    evaluation = job_or_404(request, Evaluation, project_id, pk)
    page = answers.page(evaluation, answers.AnswerFilters.of(request.GET))
    context = _progress(request, evaluation) | {
        "page": page,
        "lines": scores.table(evaluation),
        "warnings": scores.warnings(evaluation),
        "prompt_lines": ledger.prompt_lines(evaluation),
        "rules": evaluation.scores.get("rules", []),
    }
    return render(request, "inference/evaluations/evaluation.html" + ("#answers" if request.htmx else ""), context)


def _progress(request: HttpRequest, evaluation: Evaluation) -> dict[str, Any]:
    next_line = NEXT_LINES.get(evaluation.status, "When all answers are complete, the scores are computed.")
    next_line = format_html(next_line, reverse("inference:comparisons", args=[evaluation.project_id]))
    return {
        "evaluation": evaluation,
        "job": evaluation,
        "next_line": next_line,
        "counts": ledger.counts(evaluation),
        "can_edit": request.project.role.covers("editor"),
        **addresses(evaluation),
    }


@require_GET
def evaluation_progress(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    """Return the progress, polled. When the job has ended, the page is reloaded for its scores."""
    evaluation = job_or_404(request, Evaluation, project_id, pk)
    answer = render(request, "partials/progress.html", _progress(request, evaluation))
    if evaluation.is_over:
        answer["HX-Refresh"] = "true"
    return answer


@require_POST
def move_evaluation(request: HttpRequest, project_id: int, pk: int, move: str) -> HttpResponse:
    evaluation = job_or_404(request, Evaluation, project_id, pk, needs="editor")
    if move not in evaluation.MOVES:
        raise BadRequest("An evaluation can be cancelled, paused or resumed.")
    return moved(request, evaluation, move, _progress)


@require_GET
def row_diff(request: HttpRequest, project_id: int, pk: int, answer_pk: int) -> HttpResponse:
    """Show one answer against the reference, word by word."""
    evaluation = job_or_404(request, Evaluation, project_id, pk)
    answer = child_or_404(evaluation.answers.select_related("endpoint"), answer_pk)
    context = {"evaluation": evaluation, "answer": answer, "diff": word_diff(answer.reference, answer.text)}
    return render(request, "inference/evaluations/diff.html" + ("#diff" if request.htmx else ""), context)


@require_GET
def download_evaluation(request: HttpRequest, project_id: int, pk: int, kind: str) -> HttpResponse:
    """Download all answers as JSONL, exact, or as CSV in which no cell can start a formula."""
    evaluation = job_or_404(request, Evaluation, project_id, pk)
    writers = {"jsonl": answers.as_jsonl, "csv": answers.as_csv}
    if kind not in writers:
        raise BadRequest("Answers can be downloaded as jsonl or csv.")
    types = {"jsonl": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}
    answer = StreamingHttpResponse(writers[kind](evaluation), content_type=types[kind])
    answer["Content-Disposition"] = f'attachment; filename="evaluation-{evaluation.pk}.{kind}"'
    return answer


@require_GET_POST
def delete_evaluation(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    evaluation = job_or_404(request, Evaluation, project_id, pk, needs="editor")
    if evaluation.is_live:
        raise BadRequest("This evaluation is still running. Cancel it first.")
    if request.method == "POST":
        trail.note_deletion(request, evaluation, request.project, evaluation.delete)
        return redirect("inference:evaluations", project_id)
    context = {
        "title": "Delete this evaluation?",
        "text": f"{evaluation.name}: its answers and scores will be deleted.",
        "danger": True,
        "action": request.path,
        "submit": "Delete",
        "cancel_url": reverse("inference:evaluation", args=[project_id, pk]),
    }
    return render(request, "partials/confirm_page.html", context)
