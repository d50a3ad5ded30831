"""REST: runs."""

from datetime import datetime
from typing import Any, Literal

from django.http import HttpRequest
from ninja import Status

from atelier.accounts.access import child_or_404, project_or_404
from atelier.api import Before, Key, Limit, job_out, newest
from atelier.audit import trail
from atelier.jobs import queue
from atelier.jobs.pages import job_or_404, make_move
from atelier.web.schemas import Body, Id, Router
from curation.models import Version
from training.api.bases import JobOut
from training.bases import store
from training.models import Adapter, Run
from training.runs import archive, control, metrics

router = Router(tags=["training"])


class RunOut(JobOut):
    number: int
    name: str
    version: int
    base: str
    recipe: dict[str, Any]
    summary: dict[str, Any]
    facts: dict[str, Any]
    adapter: int | None
    archived_at: datetime | None
    freed: list[dict[str, Any]]
    erased_since: int  # rows of its version that were erased after it began


class FreedOut(RunOut):
    freed_bytes: int


class RunIn(Body):
    """A new run. `recipe` holds the fields that differ from the recipe that fits this machine."""

    version: Id
    base: str = store.STUDENT
    recipe: dict[str, Any] = {}
    name: str = ""


def run_out(run: Run) -> dict[str, Any]:
    adapter = Adapter.objects.filter(run=run).first()
    own = ("number", "name", "base", "recipe", "summary", "facts", "archived_at", "freed")
    pks = {"erased_since": control.erased(run)[1], "version": run.version_id, "adapter": adapter and adapter.pk}
    return {**job_out(run), **{name: getattr(run, name) for name in own}, **pks}


@router.get("/projects/{project_id}/runs", response=list[RunOut], summary="List runs, newest first")
def list_runs(
    request: HttpRequest, project_id: int, limit: Limit = 200, before: Before = None, archived: bool = False
) -> Any:
    """Set `archived` for those in the archive, which are in no other list."""
    rows = project_or_404(request, project_id).runs.filter(archived_at__isnull=not archived).select_related("version")
    return [run_out(run) for run in newest(rows, limit, before)]


@router.post("/projects/{project_id}/runs", response={201: RunOut}, summary="Start a run")
def create_run(request: HttpRequest, project_id: int, body: RunIn, key: Key = None) -> Any:
    project = project_or_404(request, project_id, needs="editor")
    version = child_or_404(Version.objects.filter(project=project).select_related("dataset"), body.version)
    recipe = control.recipe_for(body.base, body.recipe)
    run = control.start(version, body.base, recipe, request.user, body.name, key=key)
    queue.wake(run)
    return Status(201, run_out(run))


@router.get("/projects/{project_id}/runs/{run_id}", response=RunOut, summary="Get a run")
def get_run(request: HttpRequest, project_id: int, run_id: int) -> Any:
    return run_out(job_or_404(request, Run, project_id, run_id))


@router.get(
    "/projects/{project_id}/runs/{run_id}/metrics",
    response=list[dict[str, Any]],
    summary="List the metrics of each step",
)
def get_metrics(request: HttpRequest, project_id: int, run_id: int, after: int = 0) -> Any:
    """Set `after` to a step to get only later steps."""
    run = job_or_404(request, Run, project_id, run_id)
    return metrics.run_folder.metrics(run.folder, after)


@router.get(
    "/projects/{project_id}/runs/{run_id}/log", response=dict[str, str], summary="Get the end of the trainer's log"
)
def get_log(request: HttpRequest, project_id: int, run_id: int) -> Any:
    run = job_or_404(request, Run, project_id, run_id)
    return {"log": metrics.log_tail(run.folder / "train.log")}


def moved(request: HttpRequest, project_id: int, run_id: int, move: str) -> Any:
    """Make a move that people request. Raises ValidationError when the run's state does not allow it."""
    run = job_or_404(request, Run, project_id, run_id, needs="editor")
    make_move(run, move)
    return run_out(run)


@router.post("/projects/{project_id}/runs/{run_id}/cancel", response=RunOut, summary="Cancel a run")
def cancel_run(request: HttpRequest, project_id: int, run_id: int) -> Any:
    return moved(request, project_id, run_id, "cancel")


@router.post("/projects/{project_id}/runs/{run_id}/pause", response=RunOut, summary="Pause a run after a checkpoint")
def pause_run(request: HttpRequest, project_id: int, run_id: int) -> Any:
    return moved(request, project_id, run_id, "pause")


@router.post("/projects/{project_id}/runs/{run_id}/resume", response=RunOut, summary="Resume or retry a run")
def resume_run(request: HttpRequest, project_id: int, run_id: int) -> Any:
    return moved(request, project_id, run_id, "resume")


@router.post(
    "/projects/{project_id}/runs/{run_id}/stop", response=RunOut, summary="Stop a run now and save the adapter"
)
def stop_run(request: HttpRequest, project_id: int, run_id: int) -> Any:
    return moved(request, project_id, run_id, "stop")


@router.post("/projects/{project_id}/runs/{run_id}/archive", response=RunOut, summary="Archive a run with its adapter")
def archive_run(request: HttpRequest, project_id: int, run_id: int) -> Any:
    run = job_or_404(request, Run, project_id, run_id, needs="editor")
    archive.archive(run, trail.asker(request))
    return run_out(run)


@router.post(
    "/projects/{project_id}/runs/{run_id}/unarchive", response=RunOut, summary="Restore a run from the archive"
)
def unarchive_run(request: HttpRequest, project_id: int, run_id: int) -> Any:
    run = job_or_404(request, Run, project_id, run_id, needs="editor")
    archive.unarchive(run, trail.asker(request))
    return run_out(run)


@router.delete(
    "/projects/{project_id}/runs/{run_id}/files/{part}", response=FreedOut, summary="Remove a run's files from the disk"
)
def free_run(request: HttpRequest, project_id: int, run_id: int, part: Literal["checkpoints", "all"]) -> Any:
    """Part `all` is for archived runs: checkpoints, adapter and rows. What they were stays in `freed`, with their hashes."""
    run = job_or_404(request, Run, project_id, run_id, needs="editor")
    freed = archive.free(run, part, trail.asker(request))
    run.refresh_from_db()
    return run_out(run) | {"freed_bytes": freed}
