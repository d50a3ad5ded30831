from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate


class CurationConfig(AppConfig):
    name = "curation"

    def ready(self) -> None:
        from curation import search, steps, tallying, triggers

        steps.register()
        pre_migrate.connect(triggers.put_away, sender=self, dispatch_uid="curation.triggers")
        post_migrate.connect(search.install, sender=self, dispatch_uid="curation.search")
        post_migrate.connect(tallying.install, sender=self, dispatch_uid="curation.tallying")
