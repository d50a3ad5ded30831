"""The command `manage.py freeze`: freezes a version of a dataset."""

import json
from typing import Any

from django.core.management.base import CommandParser

from atelier.management.job_command import CommandRefused, JobCommand, find
from curation.versions import freezes
from curation.versions.grouping import GROUP_BY, SOURCE, clean
from curation.versions.preview import Preview


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
        parser.add_argument(
            "--keep-together", action="store_true", help="keep each group of near-duplicates and copies in one split"
        )
        parser.add_argument("--group-by", default=SOURCE, choices=GROUP_BY, help="what keeps records in one split")
        parser.add_argument("--group-column", default="", help="the metadata column, with --group-by column")
        parser.add_argument("--stratify", action="store_true", help="give each label its share of each split")
        parser.add_argument("--preview", action="store_true", help="print what would be frozen, and freeze nothing")
        parser.add_argument("--notes", default="", help="stored with the version")

    def facts(self, job: Any) -> dict[str, Any]:
        return {
            "number": job.number,
            "files": job.files,
            "warnings": job.figures.get("warnings", []),
            "labels": job.figures.get("label_splits", {}),
        }

    def handle(self, *args: Any, **options: Any) -> None:
        dataset = find(self.project(options).datasets, options["dataset"], "dataset")
        status = "" if options["status"] == "all" else options["status"]
        filters = {"q": options["search"], "status": status, "problems": "none" if options["clean"] else ""}
        grouping = clean(
            options["group_by"],
            options["group_column"],
            keep_together=options["keep_together"],
            stratify=options["stratify"],
        )
        chosen = {
            "filters": filters,
            "shares": _shares(options["shares"]),
            "seed": options["seed"],
            "grouping": grouping,
        }
        if options["preview"]:
            self._preview(freezes.preview_of(dataset, **chosen), as_json=options["json"])
            return
        version = freezes.create(dataset, None, notes=options["notes"], allow_leaks=options["allow_leaks"], **chosen)
        for sentence in version.figures["warnings"]:
            self.stderr.write(sentence)
        self.finish(version, options)

    def _preview(self, seen: Preview, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(seen.as_json(), ensure_ascii=False))
            return
        counts = ", ".join(f"{count:,} {split}" for split, count in seen.counts.items())
        self.stdout.write(f"{seen.total:,} records in {seen.groups:,} groups: {counts}")
        for label, by_split in seen.labels.items():
            self.stdout.write(f"  {label}: " + ", ".join(f"{count:,} {split}" for split, count in by_split.items()))
        for sentence in seen.warnings:
            self.stdout.write(sentence)


def _shares(text: str) -> dict[str, float] | None:
    if not text:
        return None
    try:
        train, validation, test = (float(part) / 100 for part in text.split(","))
    except ValueError:
        raise CommandRefused(f"Write the shares as three percentages such as 80,10,10, not {text!r}.") from None
    return {"train": train, "validation": validation, "test": test}
