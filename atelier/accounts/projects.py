"""The end of a project."""

from django.core.exceptions import ValidationError

from atelier import loop
from atelier.accounts.models import Project


def delete(project: Project) -> None:
    """Remove a project with all that hangs on it. Raises ValidationError while work is going on."""
    live = loop.live_jobs(project)
    if live:
        raise ValidationError(f"{live[0].title} is still {live[0].get_status_display().lower()}: cancel it first.")
    project.delete()
