"""The command `manage.py train`: trains a base model on a frozen version."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from atelier.management.job_command import CommandRefused, JobCommand
from curation.versions import freezes
from training.bases import store
from training.models import Adapter
from training.recipe.fields import FIELDS, Recipe
from training.runs import control


class Command(JobCommand):
    help = "Train on a frozen version, by default with the recipe that fits this machine, and wait with a progress bar. Exit codes: 0 adapter ready, 1 failed (the reason is printed), 3 paused, 130 cancelled."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("version", help='id of the version, or its dataset and number as "NAME v3"')
        parser.add_argument("--base", default=store.STUDENT, help=f"name in the catalogue (default {store.STUDENT})")
        parser.add_argument("--name", default="", help="notes to yourself")
        parser.add_argument(
            "--recipe", default="", help="JSON or a JSON file: fields that differ from the default recipe"
        )
        parser.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="FIELD=VALUE",
            help="one field of the recipe; repeatable: " + ", ".join(name for name in FIELDS if name != "base"),
        )
        super().add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        project = self.project(options)
        version = freezes.named(project, options["version"])
        recipe = self.recipe(options)
        run = control.start(version, options["base"], recipe, None, options["name"])
        self.finish(run, options)

    def recipe(self, options: dict[str, Any]) -> Recipe:
        changes = read_changes(options["recipe"]) if options["recipe"] else {}
        for given in options["set"]:
            name, equals, value = given.partition("=")
            if not equals:
                raise CommandRefused(f"--set needs FIELD=VALUE, such as epochs=2, not {given!r}.")
            changes[name] = typed(name, value)
        return control.recipe_for(options["base"], changes)

    def facts(self, job: Any) -> dict[str, Any]:
        return {"number": job.number, "folder": str(job.folder)}

    def finish(self, job: Any, options: dict[str, Any]) -> None:
        super().finish(job, options)
        adapter = Adapter.objects.filter(run=job).first()
        if adapter and not options["json"]:
            self.stdout.write(f"Next: manage.py deploy {adapter.pk} --wait")


def read_changes(option: str) -> dict[str, Any]:
    try:
        text = option if option.lstrip().startswith("{") else Path(option).read_text(encoding="utf-8")
        changes = json.loads(text)
    except OSError as error:
        raise CommandRefused(f"The recipe {option} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise CommandRefused(f"The recipe is not JSON: {error}.") from error
    if not isinstance(changes, dict):
        raise CommandRefused("The recipe must be one JSON object.")
    return changes


def typed(name: str, value: str) -> Any:
    """Return a value of the command line as JSON has it; words stay words."""
    if name in FIELDS and FIELDS[name].type is str:
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value
