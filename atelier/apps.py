from django.apps import AppConfig


class AtelierConfig(AppConfig):
    name = "atelier"

    def ready(self) -> None:
        from atelier import checks, rail  # noqa: F401 - checks register themselves

        rail.register()
