"""The webhooks app."""

from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    name = "atelier.webhooks"
    label = "webhooks"

    def ready(self) -> None:
        from atelier import loop
        from atelier.webhooks import deliveries

        loop.on_tick(deliveries.wake_due)
