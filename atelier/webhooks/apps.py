"""The app of webhooks."""

from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    name = "atelier.webhooks"
    label = "webhooks"

    def ready(self) -> None:
        from atelier import registry
        from atelier.webhooks import deletion, deliveries, events

        registry.on_tick(deliveries.wake_due)
        registry.register_backlog(events.QUEUE, deliveries.backlog)
        registry.on_project_end(deletion.of_project, deletion.hush)
