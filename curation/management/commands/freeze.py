"""The command `manage.py freeze`: freezes a version of a dataset."""

from typing import Any

from django.core.management.base import CommandParser

from atelier.management.job_command import CommandRefused, JobCommand, find
from curation.versions import freezes


class Command(JobCommand):
    help = (
        "Freeze the accepted records of a dataset as a new version with train, validation and test splits. "
        "Exit codes: 0 frozen, 1 failed, 130 cancelled."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("dataset", help="id or name")
        parser.add_argument("--status", default="accepted", help="which records: accepted (the default), new, … or all")
        parser.add_argument("--clean", action="store_true", help="skip records with problems")
        parser.add_argument(
            "--shares", default="", help="train, validation, test, such as 80,10,10; default: the dataset's own"
        )
        parser.add_argument("--seed", type=int, help="of the splits; default: the dataset's own")
        parser.add_argument("--search", default="", help="only records that match, in the language of the search box")
        parser.add_argument(
            "--allow-leaks", action="store_true", help="freeze even if near-duplicates are in different splits"
        )
        parser.add_argument("--notes", default="", help="stored with the version")

    def facts(self, job: Any) -> dict[str, Any]:
        return {"number": job.number, "files": job.files}

    def handle(self, *args: Any, **options: Any) -> None:
        dataset = find(self.project(options).datasets, options["dataset"], "dataset")
        status = "" if options["status"] == "all" else options["status"]
        filters = {"q": options["search"], "status": status, "problems": "none" if options["clean"] else ""}
        version = freezes.create(
            dataset,
            None,
            filters=filters,
            shares=_shares(options["shares"]),
            seed=options["seed"],
            notes=options["notes"],
            allow_leaks=options["allow_leaks"],
        )
        self.finish(version, options)


def _shares(text: str) -> dict[str, float] | None:
    if not text:
        return None
    try:
        train, validation, test = (float(part) / 100 for part in text.split(","))
    except ValueError:
        raise CommandRefused(f"Write the shares as three percentages such as 80,10,10, not {text!r}.") from None
    return {"train": train, "validation": validation, "test": test}
