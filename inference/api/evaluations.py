"""REST: evaluations."""

from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest
from ninja import Router, Schema, Status

from atelier.accounts.access import child_or_404, project_or_404
from atelier.api import Before, Key, Limit, job_out, newest
from atelier.jobs import queue
from inference import answers as ledger
from inference import evaluation
from inference.api.comparisons import SamplingIn, chosen
from inference.models import Evaluation, EvaluationAnswer

router = Router(tags=["evaluations"])


class EvaluationIn(Schema):
    """The first endpoint is what the others are measured by. Rules left out are the project's; TOML."""

    model_config = {"extra": "forbid"}
    version: int
    endpoints: list[int]
    split: str = "test"
    name: str = ""
    system_prompt: str = ""
    sampling: SamplingIn = SamplingIn(**evaluation.GREEDY.as_json())
    rules: str | None = None
    limit: int | None = None
    concurrency: int = 8


class AnswersOut(Schema):
    """A page of answers; `next` is the row to send as `after`, null on the last page."""

    items: list[dict[str, Any]]
    next: int | None


def _out(found: Evaluation) -> dict[str, Any]:
    return job_out(found) | {
        "name": found.name,
        "version": found.version_id,
        "split": found.split,
        "entrants": found.entrants,
        "sampling": found.sampling,
        "concurrency": found.concurrency,
        "limit": found.limit,
        "counts": evaluation.counts(found),
    }


def _evaluation(request: HttpRequest, project_id: int, pk: int, needs: str = "viewer") -> Evaluation:
    return child_or_404(project_or_404(request, project_id, needs=needs).evaluations, pk)


@router.get(
    "/projects/{project_id}/evaluations", response=list[dict[str, Any]], summary="Evaluations, the newest first"
)
def list_evaluations(request: HttpRequest, project_id: int, limit: Limit = 200, before: Before = None) -> Any:
    return [_out(found) for found in newest(project_or_404(request, project_id).evaluations, limit, before)]


@router.post(
    "/projects/{project_id}/evaluations", response={201: dict[str, Any]}, summary="Evaluate endpoints on a split"
)
def create_evaluation(request: HttpRequest, project_id: int, body: EvaluationIn, key: Key = None) -> Any:
    project = project_or_404(request, project_id, needs="editor")
    version = child_or_404(project.versions.select_related("dataset", "project"), body.version)
    given = body.dict(exclude={"version", "endpoints", "sampling"})
    found = evaluation.create(
        version, request.user, chosen(project, body.endpoints), sampling=body.sampling.sampling(), key=key, **given
    )
    queue.wake(found)
    return Status(201, _out(found))


@router.get("/projects/{project_id}/evaluations/{pk}", response=dict[str, Any], summary="How far an evaluation is")
def get_evaluation(request: HttpRequest, project_id: int, pk: int) -> Any:
    return _out(_evaluation(request, project_id, pk))


@router.get(
    "/projects/{project_id}/evaluations/{pk}/scores", response=dict[str, Any], summary="The scores, once it is done"
)
def scores(request: HttpRequest, project_id: int, pk: int) -> Any:
    """Figures by endpoint id: shares with Wilson intervals, means with bootstrap ones, and differences from the first."""
    found = _evaluation(request, project_id, pk)
    if not found.scores:
        raise ValidationError(f"There are no scores yet: this evaluation is {found.get_status_display().lower()}.")
    return {"entrants": found.entrants, **found.scores}


@router.get(
    "/projects/{project_id}/evaluations/{pk}/answers", response=AnswersOut, summary="Answers with their verdicts"
)
def answers(request: HttpRequest, project_id: int, pk: int, fails: str = "", after: int = 0) -> Any:
    """`fails` keeps rows where an answer breaks that rule ("any" for any, "failed" for calls that failed)."""
    page = ledger.page(_evaluation(request, project_id, pk), ledger.Filters(fails=fails, after=after))
    found: list[EvaluationAnswer] = [answer for row in page.rows for answer in row.answers if answer is not None]
    return {"items": [ledger.plain(answer) for answer in found], "next": page.next_after}


@router.post(
    "/projects/{project_id}/evaluations/{pk}/cancel", response=dict[str, Any], summary="Cancel; what came is kept"
)
def cancel(request: HttpRequest, project_id: int, pk: int) -> Any:
    found = _evaluation(request, project_id, pk, needs="editor")
    found.cancel()
    return _out(found)


@router.post(
    "/projects/{project_id}/evaluations/{pk}/retry",
    response=dict[str, Any],
    summary="Ask for what is missing or failed",
)
def retry(request: HttpRequest, project_id: int, pk: int) -> Any:
    found = _evaluation(request, project_id, pk, needs="editor")
    if not evaluation.retry(found):
        raise ValidationError(f"Nothing is to be asked again: this evaluation is {found.get_status_display().lower()}.")
    queue.wake(found)
    return _out(found)
