"""The command `manage.py export_version`: writes a split of a version as chat JSONL."""

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from atelier.management.job_command import CommandRefused, ProjectCommand
from curation.versions import files as version_files
from curation.versions import freezes


class Command(ProjectCommand):
    help = "Write a split of a frozen version as chat JSONL after checking its hash. Exit code 1 with an error message otherwise."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("version", help='id of the version, or its dataset and number as "NAME v3"')
        parser.add_argument("--split", default="train", help="train (the default), validation or test")
        parser.add_argument(
            "--output", type=Path, help="file to write; default: standard output. An existing file is not overwritten"
        )
        parser.add_argument("--bare", action="store_true", help="only messages and tools, no id and metadata")

    def handle(self, *args: Any, **options: Any) -> None:
        version = freezes.named(self.project(options), options["version"])
        pieces = version_files.export(version, options["split"], options["bare"])
        if options["output"] is None:
            for piece in pieces:
                sys.stdout.buffer.write(piece)
            return
        try:
            with options["output"].open("xb") as out:
                out.writelines(pieces)
        except FileExistsError as error:
            raise CommandRefused(
                f"{options['output']} already exists. Choose another file, or remove that one."
            ) from error
        except OSError as error:
            raise CommandError(f"{options['output']} cannot be written: {error.strerror}.") from error
        count = version.file(options["split"])["rows"]
        self.stderr.write(f"{version}: {count} rows of {options['split']} in {options['output']}")
