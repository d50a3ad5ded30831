"""The Celery task that deletes a project."""

from celery import shared_task

from atelier.deletions import projects
from atelier.deletions.models import ProjectDeletion
from atelier.jobs import claims


@shared_task(name="atelier.deletions.tasks.delete_project")
def delete_project(pk: int) -> None:
    claims.execute(ProjectDeletion, pk, projects.run)
