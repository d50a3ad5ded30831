"""REST: how well the people of a dataset agree."""

from datetime import date
from typing import Any

from django.http import HttpRequest
from ninja import Status

from atelier.api import Key, job_out
from atelier.jobs import queue
from atelier.jobs.pages import job_or_404
from atelier.web.schemas import Router
from curation.access import dataset_or_404
from curation.annotation import agreement
from curation.api.paging import DATASET
from curation.models import AgreementReport

router = Router(tags=["agreement and review"])


def report_out(job: AgreementReport) -> dict[str, Any]:
    return job_out(job) | {
        "dataset": job.dataset_id,
        "since": job.since,
        "until": job.until,
        "figures": job.figures or None,
    }


@router.get(f"{DATASET}/agreement", summary="Measure agreement")
def get_agreement(
    request: HttpRequest, project_id: int, dataset_id: int, since: date | None = None, until: date | None = None
) -> Any:
    """Agreement is measured on request for up to 2,000 answers.

    Above that the newest report is returned, null before one exists.
    """
    dataset = dataset_or_404(request, project_id, dataset_id)
    if agreement.is_small(dataset, since, until):
        return {"figures": agreement.figures(dataset, since, until), "measured_at": None}
    report = agreement.last_done(dataset, since, until)
    return {"figures": report and report.figures, "measured_at": report and report.finished_at}


@router.post(f"{DATASET}/agreement", response={202: dict}, summary="Start a measurement of agreement")
def measure_agreement(
    request: HttpRequest, project_id: int, dataset_id: int,
    since: date | None = None, until: date | None = None, key: Key = None,
) -> Any:  # fmt: skip
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    job = agreement.begin(dataset, request.user, since, until, key=key)
    if job.status == AgreementReport.Status.QUEUED:
        queue.wake(job)
    return Status(202, report_out(job))


@router.get("/projects/{project_id}/agreement/{pk}", summary="Get a measurement")
def get_report(request: HttpRequest, project_id: int, pk: int) -> Any:
    return report_out(job_or_404(request, AgreementReport, project_id, pk))
