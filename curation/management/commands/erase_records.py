"""The command `manage.py erase_records`: erases records of a dataset everywhere, and waits for the end."""

from typing import Any

from django.core.management.base import CommandParser

from atelier.audit import trail
from atelier.management.job_command import JobCommand, find
from curation.erasures import requests


class Command(JobCommand):
    help = (
        "Erase records, and all that was made from them, from a dataset and from the frozen files of its versions. "
        "This cannot be undone. Exit codes: 0 erased, 1 failed: fix the cause, then retry it on its page or by REST."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("dataset", help="id or name")
        parser.add_argument("records", type=int, nargs="+", help="ids of the records")
        parser.add_argument("--reason", required=True, help="kept with the hashes, so don't name anyone in it")

    def facts(self, job: Any) -> dict[str, Any]:
        return {"erased": job.erased, "stays": job.stays}

    def handle(self, *args: Any, **options: Any) -> None:
        dataset = find(self.project(options).datasets, options["dataset"], "dataset")
        job = requests.begin(dataset, None, options["records"], options["reason"], asker=trail.COMMAND_LINE)
        self.finish(job, options)
        for thing in job.stays if not options["json"] else []:
            self.stdout.write(f"stays: {thing['kind']} {thing['label']}: {thing['why']}")
