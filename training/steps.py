"""What training shows in the rail and on the project's home."""

from django.urls import reverse

from atelier import loop
from atelier.accounts.models import Project
from training import runs
from training.models import Pull, Run


def register() -> None:
    step = loop.Step(50, "train", "Train", "training:runs", loop.Rows(Run), state)
    loop.register(step, jobs=[Pull, Run])


def state(project: Project) -> loop.State:
    """Where the project stands in training."""
    count = project.runs.count()
    newest = project.runs.order_by("-pk").first()
    trainable = runs.trainable(project)
    if newest is not None and newest.is_live:
        return loop.State(count, f"{newest.title}: {newest.get_status_display().lower()}")
    if trainable and (newest is None or trainable[0].pk > newest.version_id):
        url = reverse("training:new_run", args=[project.pk]) + f"?version={trainable[0].pk}"
        return loop.State(count, f"{trainable[0]} waits to be trained on", f"Train on {trainable[0]}", url)
    if newest is None:
        return loop.State(0, "A frozen version is needed first.")
    return loop.State(count, f"{newest.title}: {newest.get_status_display().lower()}")
