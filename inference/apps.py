from django.apps import AppConfig


class InferenceConfig(AppConfig):
    name = "inference"

    def ready(self) -> None:
        from atelier import registry
        from atelier.files import quotas
        from inference import deletion, erasures, lineage, rail, usage
        from inference.serving import deployments
        from training.runs import archive

        rail.register()
        quotas.measure("recorded answers", usage.answers)
        registry.on_project_end(deletion.of_project, deletion.stop_serving)
        erasures.register()
        lineage.register()
        archive.used_by(deployments.serving, deployments.forget)
