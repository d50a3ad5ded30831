"""REST: the queue of a dataset."""

from typing import Annotated, Any, Literal

from django.core.exceptions import ValidationError
from django.http import HttpRequest
from ninja import Field

from atelier.web.schemas import Body, Id, Router, Whole, whole
from curation.access import dataset_or_404
from curation.annotation import assignments, queue_settings
from curation.annotation import queue as queues
from curation.api.paging import DATASET
from curation.models import Queue
from curation.search.filters import Filters

router = Router(tags=["annotating"])
Overlap = whole(1, queue_settings.MAX_OVERLAP)
LockMinutes = whole(1, queue_settings.MAX_LOCK_MINUTES)


class QueuePatch(Body):
    """Changes of the queue's settings; fields that are left out stay as they are."""

    is_open: bool | None = None
    overlap: Overlap | None = None
    guidelines: str | None = None
    order: Literal["oldest", "shuffled"] | None = None
    lock_minutes: LockMinutes | None = None
    honeypot_rate: Annotated[float, Field(ge=0, le=0.5)] | None = None
    tolerance: Annotated[float, Field(ge=0.5, le=1)] | None = None
    assigned_only: bool | None = None


class FillIn(Body):
    """Filters with the names and values of the records' list; empty filters mean every record."""

    filters: dict[str, str | Whole | list[Id]] = {}


class AssignIn(FillIn):
    users: list[str] = Field(min_length=1, max_length=500)
    evenly: bool = True


def queue_out(queue: Queue) -> dict[str, Any]:
    names = ("is_open", "overlap", "guidelines", "order", "lock_minutes", "honeypot_rate", "assigned_only", "tolerance")
    tasks = queues.counts(queue) if queue.pk else {}
    return {name: getattr(queue, name) for name in names} | {"tasks": tasks}


@router.get(f"{DATASET}/queue", summary="Get the queue's settings and counts")
def get_queue(request: HttpRequest, project_id: int, dataset_id: int) -> Any:
    dataset = dataset_or_404(request, project_id, dataset_id)
    return queue_out(Queue.objects.filter(dataset=dataset).first() or Queue(dataset=dataset))


@router.patch(f"{DATASET}/queue", summary="Change the queue's settings")
def change_queue(request: HttpRequest, project_id: int, dataset_id: int, body: QueuePatch) -> Any:
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    changes = {name: value for name, value in body.dict().items() if value is not None}
    return queue_out(queue_settings.change(queues.of(dataset), **changes))


@router.post(f"{DATASET}/queue/fill", summary="Add records to the queue")
def fill_queue(request: HttpRequest, project_id: int, dataset_id: int, body: FillIn) -> Any:
    """Safe to repeat: records already in the queue stay unchanged."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    added = queues.fill(dataset, Filters.read(body.filters, strict=True).records(dataset))
    return {"added": added, **queue_out(queues.of(dataset))}


@router.post(f"{DATASET}/queue/assign", summary="Assign records to people")
def assign(request: HttpRequest, project_id: int, dataset_id: int, body: AssignIn) -> Any:
    """Safe to repeat: only missing assignments are added."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    able = {user.username: user for user in assignments.people(dataset.project.team_id)}
    people = {name: able[name] for name in body.users if name in able}
    if missing := [name for name in body.users if name not in people]:
        raise ValidationError(f"{missing[0][:150]} can't annotate in this team.")
    chosen = Filters.read(body.filters, strict=True).records(dataset)
    return {"made": assignments.assign(dataset, chosen, list(people.values()), request.user, body.evenly)}
