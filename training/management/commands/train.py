"""`manage.py train`: train a base model on a frozen version."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from atelier.management.job_command import JobCommand, Refused
from curation import versions
from training import runs, student
from training.models import Adapter
from training.recipe import FIELDS, Recipe


class Command(JobCommand):
    help = (
        "Train on a frozen version, by default with the recipe that fits this machine, and wait with a progress bar. "
        "Exit codes: 0 the adapter is there, 1 it failed (the reason is printed), 3 paused, 130 cancelled."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("version", help='id of the version, or its dataset and number as "NAME v3"')
        parser.add_argument(
            "--base", default=student.STUDENT, help=f"name in the catalogue (default {student.STUDENT})"
        )
        parser.add_argument("--name", default="", help="what is tried out, for your own memory")
        parser.add_argument(
            "--recipe", default="", help="JSON, or a file with it: fields that differ from the fitting recipe"
        )
        parser.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="FIELD=VALUE",
            help="one field of the recipe, as often as wanted: " + ", ".join(name for name in FIELDS if name != "base"),
        )
        super().add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        project = self.project(options)
        version = versions.named(project, options["version"])
        recipe = self.recipe(options)
        run = runs.start(version, options["base"], recipe, None, options["name"])
        self.finish(run, options)

    def recipe(self, options: dict[str, Any]) -> Recipe:
        changes = read_changes(options["recipe"]) if options["recipe"] else {}
        for given in options["set"]:
            name, equals, value = given.partition("=")
            if not equals:
                raise Refused(f"--set takes FIELD=VALUE, such as epochs=2, not {given!r}.")
            changes[name] = typed(name, value)
        return runs.recipe_for(options["base"], changes)

    def facts(self, job: Any) -> dict[str, Any]:
        return {"number": job.number, "folder": str(job.folder)}

    def finish(self, job: Any, options: dict[str, Any]) -> None:
        super().finish(job, options)
        adapter = Adapter.objects.filter(run=job).first()
        if adapter and not options["json"]:
            self.stdout.write(f"Next: manage.py deploy {adapter.pk} --wait")


def read_changes(given: str) -> dict[str, Any]:
    try:
        text = given if given.lstrip().startswith("{") else Path(given).read_text(encoding="utf-8")
        found = json.loads(text)
    except OSError as error:
        raise Refused(f"The recipe {given} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise Refused(f"The recipe is not JSON: {error}.") from error
    if not isinstance(found, dict):
        raise Refused("The recipe must be one JSON object.")
    return found


def typed(name: str, value: str) -> Any:
    """A value of the command line as JSON has it; words stay words."""
    if name in FIELDS and FIELDS[name].type is str:
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value
