"""The command `manage.py export_records`: exports the records of a dataset, or a version, into a file."""

import json
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser

from atelier.management.job_command import CommandRefused, JobCommand, find
from curation import exports
from curation.formats import WRITERS
from curation.models import Export
from curation.versions import freezes


class Command(JobCommand):
    help = "Export DATASET (name or id), or with --of-version a version, into the file OUTPUT. Records that the format cannot hold are counted and named. Exit codes: 0 done, 1 failed, 2 wrong arguments, 4 with --strict when records were left out."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("dataset", nargs="?", default="", help="name or id; omit with --of-version")
        parser.add_argument("--of-version", default="", help='id, or "NAME v3"')
        parser.add_argument("--split", default="", help="of the version: train, validation or test; default: all")
        parser.add_argument("--format", default="chat", choices=sorted(WRITERS), help="default: chat")
        parser.add_argument("--filters", default="{}", help='JSON, as in the list\'s address: {"status": "accepted"}')
        parser.add_argument("--output", type=Path, help="the file to write; an existing file is not overwritten")
        parser.add_argument("--strict", action="store_true", help="exit with 4 when a record was left out")

    def facts(self, job: Any) -> dict[str, Any]:
        return {name: getattr(job, name) for name in ("name", "size", "skipped", "skipped_why")}

    def handle(self, *args: Any, **options: Any) -> None:
        job = self._begun(options)
        self.finish(job, options)
        job.refresh_from_db()
        if options["output"] and job.status == Export.Status.DONE:
            self._save(job, options["output"])
        for group in job.skipped_why:
            self.stderr.write(f"left out {group['count']}: {group['reason']}")
        if options["strict"] and job.skipped:
            raise CommandError(f"{job.skipped} records were left out.", returncode=4)

    def _begun(self, options: dict[str, Any]) -> Export:
        project = self.project(options)
        if bool(options["dataset"]) == bool(options["of_version"]):
            raise CommandRefused("Give either a dataset or --of-version.")
        if options["output"] and options["output"].exists():
            raise CommandRefused(f"{options['output']} already exists. Choose another file.")
        try:
            version = freezes.named(project, options["of_version"]) if options["of_version"] else None
            dataset = version.dataset if version else find(project.datasets.all(), options["dataset"], "dataset")
            filters = json.loads(options["filters"])
            if not isinstance(filters, dict):
                raise ValidationError("--filters must be a JSON object.")
            chosen = {"filters": filters, "version": version, "split": options["split"]}
            return exports.begin(dataset, None, options["format"], **chosen)
        except ValidationError as error:
            raise CommandRefused(" ".join(error.messages)) from error
        except json.JSONDecodeError as error:
            raise CommandRefused(f"--filters isn't valid JSON: {error}") from error

    def _save(self, job: Export, path: Path) -> None:
        try:
            with path.open("xb") as out:
                out.writelines(exports.pieces(job))
        except OSError as error:
            raise CommandError(f"{path} cannot be written: {error.strerror}.") from error
