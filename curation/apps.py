from django.apps import AppConfig
from django.db.models.signals import post_migrate, post_save, pre_delete, pre_migrate


class CurationConfig(AppConfig):
    name = "curation"

    def ready(self) -> None:
        from atelier import registry
        from curation import deletion, rail, usage
        from curation.annotation import assignments
        from curation.search import index as search_index
        from curation.search import tallies, triggers

        rail.register()
        usage.register()
        registry.on_project_end(deletion.of_project)
        pre_migrate.connect(triggers.put_away, sender=self, dispatch_uid="curation.triggers")
        post_migrate.connect(search_index.install, sender=self, dispatch_uid="curation.search")
        post_migrate.connect(tallies.install, sender=self, dispatch_uid="curation.tallying")
        # By signals, for the shell does not know this app, and a deleted account ends memberships that nobody names.
        post_save.connect(assignments.on_change, sender="accounts.Membership", dispatch_uid="curation.member_changed")
        pre_delete.connect(assignments.on_end, sender="accounts.Membership", dispatch_uid="curation.member_goes")
