"""Write a split of a version as chat JSONL."""

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from atelier.management.job_command import ProjectCommand, Refused
from curation import exporting, versions


class Command(ProjectCommand):
    help = (
        "Write a split of a frozen version as chat JSONL, its hash checked first. Ends with 1 and a sentence otherwise."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("version", help='id of the version, or its dataset and number as "NAME v3"')
        parser.add_argument("--split", default="train", help="train (the default), validation or test")
        parser.add_argument(
            "--output", type=Path, help="file to write; else standard output. An existing file is left alone"
        )
        parser.add_argument("--bare", action="store_true", help="only messages and tools, no id and metadata")

    def handle(self, *args: Any, **options: Any) -> None:
        version = versions.named(self.project(options), options["version"])
        pieces = exporting.export_version(version, options["split"], options["bare"])
        if options["output"] is None:
            for piece in pieces:
                sys.stdout.buffer.write(piece)
            return
        try:
            with options["output"].open("xb") as out:
                out.writelines(pieces)
        except FileExistsError as error:
            raise Refused(f"{options['output']} is there already: name another file, or remove that one.") from error
        except OSError as error:
            raise CommandError(f"{options['output']} cannot be written: {error.strerror}.") from error
        count = version.file(options["split"])["rows"]
        self.stderr.write(f"{version}: {count} rows of {options['split']} in {options['output']}")
