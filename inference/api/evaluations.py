"""REST API of evaluations."""

from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest
from ninja import Field, Schema, Status

from atelier.accounts.access import child_or_404, project_or_404
from atelier.api import Before, Key, Limit, job_out, newest
from atelier.jobs import queue
from atelier.jobs.pages import job_or_404
from atelier.web.schemas import AtOnce, Body, Id, Most, Router
from inference.api.comparisons import SamplingIn, chosen
from inference.evaluations import answers as answer_rows
from inference.evaluations import ledger
from inference.evaluations import scores as answer_scores
from inference.models import Evaluation, EvaluationAnswer

router = Router(tags=["evaluations"])


class EvaluationIn(Body):
    """An evaluation. The first endpoint is the baseline. Rules left out are the project's; TOML.

    `system_prompts` are by endpoint id, "" for none; `system_prompt` is that of all others. Without either, an adapter is
    sent the one it was trained with, and other endpoints the version's.
    """

    version: Id
    endpoints: list[Id] = Field(max_length=100)
    split: str = "test"
    name: str = ""
    system_prompt: str = ""
    system_prompts: dict[Id, str] = Field(default_factory=dict, max_length=100)
    sampling: SamplingIn = SamplingIn(**ledger.GREEDY.as_json())
    rules: str | None = None
    limit: Most | None = None
    concurrency: AtOnce = 8


class AnswersOut(Schema):
    """A page of answers; `next` is the row to send as `after`, null on the last page."""

    items: list[dict[str, Any]]
    next: int | None


def _out(evaluation: Evaluation) -> dict[str, Any]:
    return job_out(evaluation) | {
        "name": evaluation.name,
        "version": evaluation.version_id,
        "split": evaluation.split,
        "entrants": evaluation.entrants,
        "sampling": evaluation.sampling,
        "concurrency": evaluation.concurrency,
        "limit": evaluation.limit,
        "counts": ledger.counts(evaluation),
    }


@router.get(
    "/projects/{project_id}/evaluations", response=list[dict[str, Any]], summary="List evaluations, newest first"
)
def list_evaluations(request: HttpRequest, project_id: int, limit: Limit = 200, before: Before = None) -> Any:
    return [_out(evaluation) for evaluation in newest(project_or_404(request, project_id).evaluations, limit, before)]


@router.post(
    "/projects/{project_id}/evaluations", response={201: dict[str, Any]}, summary="Evaluate endpoints on a split"
)
def create_evaluation(request: HttpRequest, project_id: int, body: EvaluationIn, key: Key = None) -> Any:
    project = project_or_404(request, project_id, needs="editor")
    version = child_or_404(project.versions.select_related("dataset", "project"), body.version)
    given = body.dict(exclude={"version", "endpoints", "sampling", "system_prompts"})
    given["prompts"] = body.system_prompts
    evaluation = ledger.create(
        version, request.user, chosen(project, body.endpoints), sampling=body.sampling.sampling(), key=key, **given
    )
    queue.wake(evaluation)
    return Status(201, _out(evaluation))


@router.get("/projects/{project_id}/evaluations/{pk}", response=dict[str, Any], summary="Get an evaluation")
def get_evaluation(request: HttpRequest, project_id: int, pk: int) -> Any:
    return _out(job_or_404(request, Evaluation, project_id, pk))


@router.get(
    "/projects/{project_id}/evaluations/{pk}/scores",
    response=dict[str, Any],
    summary="Get the scores of a finished evaluation",
)
def scores(request: HttpRequest, project_id: int, pk: int) -> Any:
    """Returns figures by endpoint id: shares with Wilson intervals, means with Student's, differences from the baseline.

    The baseline is the first endpoint. A difference is `clear` when `p_adjusted` is below 0.05, adjusted for all differences
    of the evaluation; with fewer than 8 rows it is `too_few`, and never clear. A mean of so few has no interval (null).
    """
    evaluation = job_or_404(request, Evaluation, project_id, pk)
    if not evaluation.scores:
        raise ValidationError(
            f"There are no scores yet, because this evaluation is {evaluation.get_status_display().lower()}."
        )
    return {"entrants": evaluation.entrants, **evaluation.scores, "warnings": answer_scores.warnings(evaluation)}


@router.get(
    "/projects/{project_id}/evaluations/{pk}/answers", response=AnswersOut, summary="List answers with their verdicts"
)
def answers(request: HttpRequest, project_id: int, pk: int, fails: str = "", after: int = 0) -> Any:
    """Use `fails` to keep rows where an answer breaks that rule ("any" for any, "cut" for answers that were cut off, "flaw:any" for empty ones and refusals, "calls:wrong" for wrong calls of tools, "failed" for calls that failed)."""
    page = answer_rows.page(
        job_or_404(request, Evaluation, project_id, pk), answer_rows.AnswerFilters(fails=fails, after=after)
    )
    shown: list[EvaluationAnswer] = [answer for row in page.rows for answer in row.answers if answer is not None]
    return {"items": [answer_rows.plain(answer) for answer in shown], "next": page.next_after}


@router.post("/projects/{project_id}/evaluations/{pk}/cancel", response=dict[str, Any], summary="Cancel an evaluation")
def cancel(request: HttpRequest, project_id: int, pk: int) -> Any:
    evaluation = job_or_404(request, Evaluation, project_id, pk, needs="editor")
    evaluation.cancel()
    return _out(evaluation)


@router.post(
    "/projects/{project_id}/evaluations/{pk}/retry",
    response=dict[str, Any],
    summary="Retry what is missing or failed",
)
def retry(request: HttpRequest, project_id: int, pk: int) -> Any:
    evaluation = job_or_404(request, Evaluation, project_id, pk, needs="editor")
    if not evaluation.retry():
        raise ValidationError(
            f"There is nothing to retry, because this evaluation is {evaluation.get_status_display().lower()}."
        )
    queue.wake(evaluation)
    return _out(evaluation)
