"""REST API of erasures: records erased everywhere, and the ledger of what that changed."""

from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Field, Status

from atelier.accounts.access import project_or_404
from atelier.api import Before, Key, Limit, job_out, newest
from atelier.audit import trail
from atelier.jobs import queue
from atelier.jobs.pages import job_or_404, make_move
from atelier.web.schemas import Body, Id, Router
from curation.access import dataset_or_404
from curation.api.paging import DATASET
from curation.erasures import requests
from curation.models import Erasure

router = Router(tags=["data"])


class ErasureIn(Body):
    """Records of a dataset to erase, and why. What was made from them is erased as well. This cannot be undone."""

    records: Annotated[list[Id], Field(min_length=1, max_length=requests.MOST)]
    reason: str = Field(max_length=requests.REASON, description="kept with the hashes, so name nobody in it")


def erasure_out(job: Erasure) -> dict[str, Any]:
    own = {"dataset": job.dataset_id, "records": job.roots, "reason": job.reason, "by": job.actor}
    return job_out(job) | own | {"erased": job.erased, "stays": job.stays}


@router.post(f"{DATASET}/erasures", response={202: dict}, summary="Erase records everywhere")
def erase(request: HttpRequest, project_id: int, dataset_id: int, body: ErasureIn, idempotency_key: Key = None) -> Any:
    """Empties the records, puts tombstones in their places in frozen files, and removes exports that may hold them.

    Get the erasure afterwards for both hashes of each file, and for what stays: models that were trained on a record.
    """
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    asker = trail.asker(request)
    job = requests.begin(dataset, request.user, body.records, body.reason, key=idempotency_key, asker=asker)
    queue.wake(job)
    return Status(202, erasure_out(job))


@router.get("/projects/{project_id}/erasures", summary="List erasures, newest first")
def list_erasures(request: HttpRequest, project_id: int, limit: Limit = 200, before: Before = None) -> Any:
    return [erasure_out(job) for job in newest(project_or_404(request, project_id).erasures, limit, before)]


@router.get("/projects/{project_id}/erasures/{pk}", summary="Get an erasure with its ledger")
def get_erasure(request: HttpRequest, project_id: int, pk: int) -> Any:
    job = job_or_404(request, Erasure, project_id, pk)
    return job_out(job) | {"dataset": job.dataset_id} | requests.details(job)


@router.post("/projects/{project_id}/erasures/{pk}/resume", summary="Retry a failed erasure")
def resume_erasure(request: HttpRequest, project_id: int, pk: int) -> Any:
    job = job_or_404(request, Erasure, project_id, pk, needs="editor")
    make_move(job, "resume")
    return erasure_out(job)
