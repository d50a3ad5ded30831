from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "atelier.audit"
    label = "audit"

    def ready(self) -> None:
        from atelier import registry
        from atelier.audit import retention

        registry.on_tick(retention.sweep)
