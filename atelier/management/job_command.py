"""Shared parts of the loop's commands: finding the project, and waiting for a job with a meaningful exit code."""

import json
import sys
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import QuerySet

from atelier.accounts.models import Project
from atelier.jobs import terminal
from atelier.jobs.models import Job
from atelier.web import border


class CommandRefused(CommandError):
    """A request that cannot be carried out, and nothing has begun: every command then ends with 2."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, returncode=2)


def find(rows: "QuerySet[Any]", name_or_id: str, noun: str, field: str = "name") -> Any:
    """Return a row by its id or its name. Raises CommandRefused with the names there are."""
    row = rows.filter(pk=pk).first() if (pk := border.whole(name_or_id)) else None
    row = row or rows.filter(**{field: name_or_id}).order_by("-pk").first()
    if row is None:
        names = ", ".join(f"{pk}: {name}" for pk, name in rows.order_by("pk").values_list("pk", field)[:20])
        raise CommandRefused(f"No {noun} is called {name_or_id!r}. Available: {names or 'none yet'}.")
    return row


class ProjectCommand(BaseCommand):
    """A command that works in one project. A ValidationError is a refusal."""

    def execute(self, *args: Any, **options: Any) -> Any:
        try:
            for name, value in options.items():
                border.storable(
                    value, f"--{name.replace('_', '-')}"
                )  # bytes that are not UTF-8 arrive as half characters
            return super().execute(*args, **options)
        except ValidationError as error:
            raise CommandRefused(" ".join(error.messages)) from error

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--project", default="", help="id or name; optional when there is only one")

    def project(self, options: dict[str, Any]) -> Project:
        projects = Project.objects.order_by("pk")
        if options["project"]:
            return find(projects, options["project"], "project")
        if not projects:
            raise CommandRefused("No project exists yet. Create one in the browser, or by POST /api/projects.")
        if len(projects) > 1:
            raise CommandRefused(f"Choose a project with --project. Available: {', '.join(p.name for p in projects)}.")
        return projects[0]


class JobCommand(ProjectCommand):
    """The base of `import_records`, `distil`, `freeze`, `train`, `evaluate`: one project, one job, wait for its end."""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--here", action="store_true", help="run the job in this process instead of in a worker")
        parser.add_argument("--no-wait", action="store_true", help="queue the job and exit at once")
        parser.add_argument("--json", action="store_true", help="print the result as JSON on standard output")

    def facts(self, job: Any) -> dict[str, Any]:
        """Return what --json prints of the job besides its outcome; called once it has ended."""
        return {}

    def finish(self, job: Job, options: dict[str, Any]) -> None:
        """Wait for the job (unless told otherwise), print its outcome, and exit with the code for it."""
        if options["no_wait"]:
            from atelier.jobs import queue

            queue.wake(job)
            code = 0
        else:
            code = terminal.run(job, here=options["here"], quiet=options["json"])
            job.refresh_from_db()
        if options["json"]:
            end = {"id": job.pk, "status": job.status, "done": job.done, "total": job.total, "error": job.error}
            self.stdout.write(json.dumps(end | self.facts(job)))
        elif code == 0:
            self.stdout.write(f"{job.title}: {job.line or job.get_status_display()} (id {job.pk})")
        if code:
            sys.exit(code)
