from django.apps import AppConfig
from django.db.models.signals import post_migrate


class CurationConfig(AppConfig):
    name = "curation"

    def ready(self) -> None:
        from curation import search, steps, tallying

        steps.register()
        post_migrate.connect(search.install, sender=self, dispatch_uid="curation.search")
        post_migrate.connect(tallying.install, sender=self, dispatch_uid="curation.tallying")
