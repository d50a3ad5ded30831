from django.apps import AppConfig


class InferenceConfig(AppConfig):
    name = "inference"

    def ready(self) -> None:
        from atelier import registry
        from atelier.files import quotas
        from inference import deletion, lineage, rail, usage

        rail.register()
        quotas.measure("recorded answers", usage.answers)
        registry.on_project_end(deletion.of_project, deletion.stop_serving)
        lineage.register()
