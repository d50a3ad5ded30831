"""Pages of evaluations: the list, a new one, its scores, each row's answers, and downloads."""

from typing import Any

from django.core.exceptions import BadRequest, ValidationError
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from atelier.accounts.access import child_or_404, project_or_404
from atelier.accounts.models import Project
from atelier.jobs import queue
from curation.diffs import word_diff
from inference import answers, comparison, evaluation, scores
from inference.forms import EvaluationForm
from inference.models import Evaluation

GET_POST = require_http_methods(["GET", "POST"])
PAGE = 30
NEXT_LINES = {
    "done": 'Below, the table of scores and every answer. Votes in <a href="{}">Compare</a> show whether people agree with the figures.',
    "failed": "Mend what is named above, then retry: only what is missing is asked for.",
    "cancelled": "What was answered is kept; retry asks for the rest.",
    "paused": "What was answered is kept; resume asks for the rest.",
}


@require_GET
def evaluation_list(request: HttpRequest, project_id: int) -> HttpResponse:
    project = project_or_404(request, project_id)
    rows = project.evaluations.select_related("version__dataset", "created_by").order_by("-pk")
    before = request.GET.get("before", "")
    found = list((rows.filter(pk__lt=int(before)) if before.isdigit() else rows)[: PAGE + 1])
    context = {
        "rows": [{"evaluation": row, "lines": scores.headline(row)} for row in found[:PAGE]],
        "next_url": f"?before={found[PAGE - 1].pk}" if len(found) > PAGE else None,
        "can_create": project.role.covers("editor"),
        "has_version": evaluation.versions_of(project).exists(),
        "has_models": bool(comparison.choices(project)),
    }
    return render(request, "inference/evaluations.html" + ("#rows" if request.htmx else ""), context)


@GET_POST
def new_evaluation(request: HttpRequest, project_id: int) -> HttpResponse:
    """`?version=3` and `?endpoints=1,2` choose those."""
    project = project_or_404(request, project_id, needs="editor")
    form = EvaluationForm(request.POST or None, project=project, initial=_suggestion(request, project))
    status = 200
    if request.method == "POST":
        try:
            if form.is_valid():
                made = evaluation.create(**_wanted(form), user=request.user)
                queue.wake(made)
                return redirect("inference:evaluation", project.pk, made.pk)
        except ValidationError as error:
            form.add_error(None, error)
        status = 422
    return render(request, "inference/evaluation_new.html", {"form": form}, status=status)


def _wanted(form: EvaluationForm) -> dict[str, Any]:
    names = ("version", "endpoints", "split", "name", "system_prompt", "rules", "limit", "concurrency")
    return {name: form.cleaned_data[name] for name in names} | {"sampling": form.sampling()}


def _suggestion(request: HttpRequest, project: Project) -> dict[str, Any]:
    version, wanted = request.GET.get("version", ""), request.GET.get("endpoints", "")
    ticked = [int(pk) for pk in wanted.split(",") if pk.isdigit()]
    return {
        "version": int(version) if version.isdigit() else None,
        "rules": project.rules,
        "concurrency": 8,
        "endpoints": ticked or [endpoint.pk for endpoint in comparison.suggested(comparison.choices(project))],
        **evaluation.GREEDY.as_json(),
    }


@require_GET
def evaluation_page(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    """`?fails=rule` keeps the rows where an answer breaks that rule, `?q=` those with the words; `after` pages."""
    project = project_or_404(request, project_id)
    found = child_or_404(project.evaluations.select_related("version__dataset"), pk)
    page = answers.page(found, answers.Filters.of(request.GET))
    context = _progress(request, found) | {
        "page": page,
        "lines": scores.table(found),
        "rules": found.scores.get("rules", []),
        "can_edit": project.role.covers("editor"),
    }
    return render(request, "inference/evaluation.html" + ("#answers" if request.htmx else ""), context)


def _progress(request: HttpRequest, found: Evaluation) -> dict[str, Any]:
    args = [request.project.pk, found.pk]
    moves = {
        f"{move}_url": reverse("inference:move_evaluation", args=[*args, move])
        for move in ("cancel", "pause", "resume")
    }
    next_line = NEXT_LINES.get(found.status, "When all are answered, the scores are counted.")
    next_line = format_html(next_line, reverse("inference:comparisons", args=args[:1]))
    return {
        "evaluation": found,
        "job": found,
        "poll_url": reverse("inference:evaluation_progress", args=args),
        "next_line": next_line,
        "counts": evaluation.counts(found),
        "can_edit": request.project.role.covers("editor"),
        **moves,
    }


@require_GET
def evaluation_progress(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    """Polled. When the work is over, the page is loaded again for its scores."""
    found = child_or_404(project_or_404(request, project_id).evaluations, pk)
    answer = render(request, "partials/progress.html", _progress(request, found))
    if found.is_over:
        answer["HX-Refresh"] = "true"
    return answer


@require_POST
def move_evaluation(request: HttpRequest, project_id: int, pk: int, move: str) -> HttpResponse:
    found = child_or_404(project_or_404(request, project_id, needs="editor").evaluations, pk)
    moves = {"cancel": found.cancel, "pause": found.pause, "resume": lambda: evaluation.retry(found)}
    if move not in moves:
        raise BadRequest("An evaluation can be cancelled, paused or resumed.")
    if moves[move]() and move == "resume":
        queue.wake(found)
    found.refresh_from_db()
    if request.htmx:
        return render(request, "partials/progress.html", _progress(request, found))
    return redirect("inference:evaluation", project_id, pk)


@require_GET
def row_diff(request: HttpRequest, project_id: int, pk: int, answer_pk: int) -> HttpResponse:
    """One answer against the reference, word by word."""
    found = child_or_404(project_or_404(request, project_id).evaluations, pk)
    answer = child_or_404(found.answers.select_related("endpoint"), answer_pk)
    context = {"evaluation": found, "answer": answer, "diff": word_diff(answer.reference, answer.text)}
    return render(request, "inference/evaluation_diff.html" + ("#diff" if request.htmx else ""), context)


@require_GET
def download_evaluation(request: HttpRequest, project_id: int, pk: int, kind: str) -> HttpResponse:
    """All answers as JSONL, exact, or as CSV in which no cell can start a formula."""
    found = child_or_404(project_or_404(request, project_id).evaluations, pk)
    writers = {"jsonl": answers.as_jsonl, "csv": answers.as_csv}
    if kind not in writers:
        raise BadRequest("Answers can be downloaded as jsonl or csv.")
    types = {"jsonl": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}
    answer = StreamingHttpResponse(writers[kind](found), content_type=types[kind])
    answer["Content-Disposition"] = f'attachment; filename="evaluation-{found.pk}.{kind}"'
    return answer


@GET_POST
def delete_evaluation(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    found = child_or_404(project_or_404(request, project_id, needs="editor").evaluations, pk)
    if found.is_live:
        raise BadRequest("This evaluation is still running: cancel it first.")
    if request.method == "POST":
        found.delete()
        return redirect("inference:evaluations", project_id)
    context = {
        "title": "Delete this evaluation?",
        "text": f"{found.name}: its answers and scores will be gone.",
        "danger": True,
        "action": request.path,
        "submit": "Delete",
        "cancel_url": reverse("inference:evaluation", args=[project_id, pk]),
    }
    return render(request, "partials/confirm_page.html", context)
