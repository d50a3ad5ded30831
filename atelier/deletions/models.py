"""The model of a project deletion, as a job of its team: the project's own rows are deleted with it."""

from django.db import models

from atelier.accounts.models import Project, Team
from atelier.jobs.models import Job, Move


class ProjectDeletion(Job):
    """The deletion of a project. It cannot be cancelled, for what is deleted cannot be restored."""

    task = "atelier.deletions.tasks.delete_project"
    unit = "rows"
    MOVES = {"resume": Move("enqueue", "This deletion is {state}, so it cannot be retried.")}

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="project_deletions")
    project = models.ForeignKey(Project, on_delete=models.SET_NULL, null=True, related_name="deletions_of_it")
    name = models.CharField(max_length=120)  # of the project, which is called something else until it is gone

    class Meta(Job.Meta):
        abstract = False

    @property
    def title(self) -> str:
        return f"Delete {self.name}"

    def cancel(self) -> bool:
        return False

    def pause(self) -> bool:
        return False
