"""Check the records of a dataset, and wait for the end."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from atelier.management.job_command import JobCommand, find
from curation import checking, problems
from curation.models import Check


class Command(JobCommand):
    help = (
        "Look at the texts of a dataset's new and changed records, or with --duplicates for near-duplicates in all of it. Imports "
        "and edits are checked by themselves. Ends with 0 when looked at, 1 when it failed, 2 for wrong arguments, 4 when --strict "
        "and something was found, 130 when cancelled."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("dataset", help="id or name")
        parser.add_argument("--duplicates", action="store_true", help="near-duplicates instead of texts")
        parser.add_argument(
            "--threshold", type=float, help="similarity of near-duplicates, 0.3 to 1; 0.42 unless given"
        )
        parser.add_argument("--everything", action="store_true", help="also the texts that were looked at")
        parser.add_argument(
            "--strict", action="store_true", help="end with 4 when there is an error or a crossing pair"
        )

    def facts(self, job: Any) -> dict[str, Any]:
        return {"found": job.found}

    def handle(self, *args: Any, **options: Any) -> None:
        dataset = find(self.project(options).datasets.select_related("project"), options["dataset"], "dataset")
        part = Check.Part.DUPLICATES if options["duplicates"] else Check.Part.TEXTS
        job = checking.begin(dataset, None, part, everything=options["everything"], threshold=options["threshold"])
        self.finish(job, options)
        groups = [] if options["no_wait"] or options["duplicates"] else problems.groups(dataset)
        if not options["json"]:
            for group in groups:
                self.stdout.write(f"{group.count:>9,}  {group.severity:<8} {group.code:<20} {group.title}")
        job.refresh_from_db()
        bad = job.found.get("crossing") or any(group.severity == "error" for group in groups)
        if options["strict"] and bad:
            raise CommandError(
                "Something stands in the way of training: see above, or the dataset's page.", returncode=4
            )
