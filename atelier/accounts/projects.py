"""Deletion of a project: hiding it, the audit entry, and the job."""

from django.db import transaction
from django.http import HttpRequest

from atelier.accounts.models import Project
from atelier.audit import trail
from atelier.audit.models import AuditAction
from atelier.deletions import projects
from atelier.deletions.models import ProjectDeletion
from atelier.jobs import claims, queue


def delete(request: HttpRequest, project: Project) -> ProjectDeletion:
    """Hide a project, note its deletion, and delete all of it: a small one at once, a large one by a worker.

    Raises ValidationError while jobs are active in it.
    """
    with transaction.atomic():
        trail.note(request, AuditAction.DELETED, project, team=project.team)
        job = projects.begin(project, request.user)
    if job.total > projects.INLINE:
        queue.wake(job)
    elif job.status == ProjectDeletion.Status.QUEUED:
        claims.execute(ProjectDeletion, job.pk, projects.run)
    job.refresh_from_db()
    return job
