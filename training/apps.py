from django.apps import AppConfig


class TrainingConfig(AppConfig):
    name = "training"

    def ready(self) -> None:
        from atelier import registry
        from atelier.files import quotas
        from training import deletion, erasures, lineage, rail, usage

        rail.register()
        quotas.measure("runs", usage.runs)
        registry.on_project_end(deletion.of_project)
        erasures.register()
        lineage.register()
