"""The Celery task of webhooks."""

from celery import shared_task

from atelier.webhooks import deliveries


@shared_task(name="atelier.webhooks.tasks.deliver")
def deliver(pk: int) -> None:
    deliveries.deliver(pk)
