"""The app of project deletions."""

from django.apps import AppConfig


class DeletionsConfig(AppConfig):
    name = "atelier.deletions"
    label = "deletions"

    def ready(self) -> None:
        from atelier import registry
        from atelier.deletions.models import ProjectDeletion

        registry.register(jobs=[ProjectDeletion])
