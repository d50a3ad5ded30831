"""The job that deletes a project: hidden at once, then deleted in parts with its files, for it may have millions of rows."""

import time
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from atelier import registry
from atelier.accounts.models import Project, User
from atelier.deletions.models import ProjectDeletion
from atelier.jobs.claims import Claim, JobFailed
from atelier.jobs.clearing import clear

NAMED = 90  # characters of the old name that are kept while it goes
INLINE = 500  # rows; so few are deleted within the request
ENDING_SECONDS = 60.0  # what still runs in the project has so long to end
LOOK_SECONDS = 0.5


def begin(project: Project, user: User | None) -> ProjectDeletion:
    """Hide the project, so that its name is free again, and queue its deletion; the caller wakes a worker.

    Raises ValidationError while jobs are active in it, and when it is already deleted. A second request returns the
    same job.
    """
    # Millions of rows take a while to count: not while others wait for the locks below.
    total = sum(part.rows.count() for part in registry.parts(project))
    with transaction.atomic():
        hidden = Project.objects.filter(pk=project.pk).update(
            name=f"{project.name[:NAMED]} (deleted, {project.pk})", idempotency_key=None, deleted_at=timezone.now()
        )
        if not hidden:
            deletion = ProjectDeletion.objects.filter(project=project.pk).first()
            if deletion is None:
                raise ValidationError(f"{project.name} is already deleted.")
            return deletion
        refuse_live(project)  # and takes the above back
        registry.project_hidden(project)
        return ProjectDeletion.objects.create(
            team=project.team, project=project, name=project.name, created_by=user, queued_at=timezone.now(), total=total
        )  # fmt: skip


def refuse_live(project: Project) -> None:
    """Raise ValidationError while a job of the project is queued, running or paused."""
    live = registry.live_jobs(project)
    if live:
        state = live[0].get_status_display().lower()
        raise ValidationError(f"{live[0].title} is still {state}. Cancel it, or wait until it ends.")


def run(claim: Claim[ProjectDeletion]) -> None:
    """Delete what is left of the project, so that a killed job can resume. The project itself is deleted last."""
    job = claim.job
    if job.project is not None:  # else it was killed between its last two writes
        _end_stragglers(claim, job.project)
        for part in registry.parts(job.project):
            claim.progress(line=f"Deleting the {part.rows.model._meta.verbose_name_plural}")
            clear(claim, part)
        with claim.writing():
            job.project.delete()  # with the little that is left
    claim.progress(total=job.done, line=f"{job.name} was deleted, with {_rows(job.done)}.")


def _end_stragglers(claim: Claim[Any], project: Project) -> None:
    """Cancel jobs that were started by a request which had loaded the project before it was hidden.

    Raises JobFailed if they do not end in time.
    """
    end = time.monotonic() + ENDING_SECONDS
    # The end of a dataset, which nobody can cancel, takes away what goes here too.
    while live := [job for job in registry.live_jobs(project) if job.cancel()]:
        if time.monotonic() > end:
            raise JobFailed(f"{live[0].title} did not end. Check the worker's log, then retry.")
        claim.progress(line=f"Waiting for {live[0].title} to end")
        time.sleep(LOOK_SECONDS)


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"
