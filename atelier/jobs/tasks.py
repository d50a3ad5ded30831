"""The Celery task of every message about a job: it runs whichever waiting job's turn has come."""

from celery import shared_task
from django.utils.module_loading import import_string

from atelier import registry
from atelier.jobs import claims, queue, shares


@shared_task(name=queue.WORK)
def work(kind: str, pk: int) -> None:
    """Run the next job of this one's queue: mostly this one. `kind` is the name of the task that executes it.

    A job that gives way hands its slot to the next one at once, so that this takes no message and no other slot.
    """
    model = next((model for model in registry.job_models() if model.task == kind), None)
    if model is None:
        raise ValueError(f"No kind of job has the task {kind!r}. Check that this worker runs the same version.")
    hint = model._default_manager.select_related("project").filter(pk=pk).first()
    while (job := shares.following(model.queue, hint)) is not None:
        if hint is not None and (hint.pk, type(hint)) == (job.pk, type(job)):
            hint = None
        slot = claims.Slot()
        with slot.held():
            import_string(job.task)(job.pk)
        if slot.used:
            return
    if hint is not None:
        queue.taken_in_vain(model, pk)
