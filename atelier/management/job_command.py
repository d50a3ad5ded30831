"""What the loop's commands share: finding the project, and waiting for a job with a meaningful exit code."""

import json
import sys
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import QuerySet

from atelier.accounts.models import Project
from atelier.jobs import terminal
from atelier.jobs.models import Job


class Refused(CommandError):
    """What was asked cannot be done, and nothing has begun: every command ends with 2 then."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, returncode=2)


def find(rows: "QuerySet[Any]", wanted: str, noun: str, field: str = "name") -> Any:
    """A row by its id or its name. Raises Refused with the names there are."""
    found = rows.filter(pk=int(wanted)).first() if wanted.isdigit() else None
    found = found or rows.filter(**{field: wanted}).order_by("-pk").first()
    if found is None:
        names = ", ".join(f"{pk}: {name}" for pk, name in rows.order_by("pk").values_list("pk", field)[:20])
        raise Refused(f"There is no {noun} {wanted!r}. There are: {names or 'none yet'}.")
    return found


class ProjectCommand(BaseCommand):
    """A command that works in one project. A ValidationError is a refusal."""

    def execute(self, *args: Any, **options: Any) -> Any:
        try:
            return super().execute(*args, **options)
        except ValidationError as error:
            raise Refused(" ".join(error.messages)) from error

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--project", default="", help="id or name; may be left out when there is only one")

    def project(self, options: dict[str, Any]) -> Project:
        projects = Project.objects.order_by("pk")
        if options["project"]:
            return find(projects, options["project"], "project")
        if not projects:
            raise Refused("There is no project yet: make one in the browser, or by POST /api/projects.")
        if len(projects) > 1:
            raise Refused(f"Say which project with --project: there are {', '.join(p.name for p in projects)}.")
        return projects[0]


class JobCommand(ProjectCommand):
    """Base of `import_records`, `distil`, `freeze`, `train`, `evaluate`: one project, one job, wait for its end."""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--here", action="store_true", help="do the work in this process instead of a running worker"
        )
        parser.add_argument("--no-wait", action="store_true", help="queue it and end at once")
        parser.add_argument("--json", action="store_true", help="print the result as JSON on standard output")

    def facts(self, job: Any) -> dict[str, Any]:
        """What --json tells of the job besides its end; asked once it has ended."""
        return {}

    def finish(self, job: Job, options: dict[str, Any]) -> None:
        """Wait (unless told not to), print what came of it, and exit with the code that says how it ended."""
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
