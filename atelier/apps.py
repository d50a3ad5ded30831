from django.apps import AppConfig


class AtelierConfig(AppConfig):
    name = "atelier"

    def ready(self) -> None:
        from atelier import checks, steps  # noqa: F401 - checks register themselves

        steps.register()
