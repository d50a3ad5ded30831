"""The training side's part of the rail and of the project's home."""

from django.urls import reverse

from atelier import registry
from atelier.accounts.models import Project
from training.models import Pull, Run
from training.runs import control


def register() -> None:
    step = registry.Step(50, "train", "Train", "training:runs", registry.ProjectRows(Run), state)
    registry.register(step, jobs=[Pull, Run])


def state(project: Project) -> registry.StepState:
    """Return the state of the project's training step."""
    runs = project.runs.filter(archived_at=None)
    count, newest = runs.count(), runs.order_by("-pk").first()
    trainable = control.trainable(project)
    if newest is not None and newest.is_live:
        return registry.StepState(count, f"{newest.title}: {newest.get_status_display().lower()}")
    if trainable and (newest is None or trainable[0].pk > newest.version_id):
        url = reverse("training:new_run", args=[project.pk]) + f"?version={trainable[0].pk}"
        return registry.StepState(count, f"{trainable[0]} is ready for training", f"Train on {trainable[0]}", url)
    if newest is None:
        return registry.StepState(0, "Needs a frozen version first.")
    return registry.StepState(count, f"{newest.title}: {newest.get_status_display().lower()}")
