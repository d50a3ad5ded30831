"""The command `manage.py check_records`: checks the records of a dataset, and waits for the end."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from atelier.management.job_command import JobCommand, find
from curation.models import Check
from curation.quality import jobs, problems


class Command(JobCommand):
    help = "Check the texts of a dataset's new and changed records, or with --duplicates find near-duplicates in the whole dataset. Imports and edits are checked automatically. Exit codes: 0 checked, 1 failed, 2 wrong arguments, 4 with --strict when problems were found, 130 cancelled."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("dataset", help="id or name")
        parser.add_argument("--duplicates", action="store_true", help="near-duplicates instead of texts")
        parser.add_argument("--threshold", type=float, help="similarity of near-duplicates, 0.3 to 1; default: 0.42")
        parser.add_argument("--everything", action="store_true", help="also check texts that were already checked")
        parser.add_argument(
            "--strict", action="store_true", help="exit with 4 when there is an error or a pair across splits"
        )

    def facts(self, job: Any) -> dict[str, Any]:
        return {"found": job.found}

    def handle(self, *args: Any, **options: Any) -> None:
        dataset = find(self.project(options).datasets.select_related("project"), options["dataset"], "dataset")
        part = Check.Part.DUPLICATES if options["duplicates"] else Check.Part.TEXTS
        job = jobs.begin(dataset, None, part, everything=options["everything"], threshold=options["threshold"])
        self.finish(job, options)
        groups = [] if options["no_wait"] or options["duplicates"] else problems.groups(dataset)
        if not options["json"]:
            for group in groups:
                self.stdout.write(f"{group.count:>9,}  {group.severity:<8} {group.code:<20} {group.title}")
        job.refresh_from_db()
        bad = job.found.get("crossing") or any(group.severity == "error" for group in groups)
        if options["strict"] and bad:
            raise CommandError("Some problems prevent training. See above, or the dataset's page.", returncode=4)
