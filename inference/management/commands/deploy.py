"""The command `manage.py deploy`: serves a base or an adapter, or stops serving it."""

import json
import sys
import time
from typing import Any

from django.core.management.base import CommandParser

from atelier.accounts.models import Project
from atelier.management.job_command import CommandRefused, ProjectCommand
from atelier.web import border
from inference.models import Deployment
from inference.serving import deployments
from training import catalogue
from training.models import Adapter


class Command(ProjectCommand):
    help = "Deploy a base (by its name in the catalogue) or an adapter (by its id or name, or run:NUMBER). With --down, stop serving it. With --wait, wait until it answers. Exit codes: 0 done, 1 failed (the server's message is printed), 4 not ready in time. The models are served by `manage.py serve_models`, part of `make run`."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("model", help="BASE or ADAPTER: smollm2-135m-instruct, an adapter's id or name, or run:3")
        parser.add_argument("--down", action="store_true", help="stop serving it instead")
        parser.add_argument("--wait", action="store_true", help="wait until it is ready, or stopped")
        parser.add_argument("--timeout", type=float, default=600, help="seconds to wait at most (default 600)")
        parser.add_argument("--json", action="store_true", help="print the result as JSON on standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        project = self.project(options)
        base, adapter = self.model(project, options["model"])
        deployment = self.request(project, base, adapter, options["down"])
        code = self.wait(deployment, adapter, options) if options["wait"] else 0
        seen = deployments.live(Deployment.objects.get(pk=deployment.pk))
        if options["json"]:
            facts = {
                "deployment": deployment.pk,
                "state": seen.state,
                "message": seen.message,
                "url": seen.deployment.url,
            }
            self.stdout.write(json.dumps(facts | {"endpoints": [e.pk for e in seen.endpoints]}))
        else:
            self.stdout.write(f"{adapter or seen.title}: {seen.label}. {seen.message or seen.deployment.url}".strip())
        if code:
            sys.exit(code)

    def model(self, project: Project, name: str) -> tuple[str, Adapter | None]:
        """Return the base's slug, and the adapter when one is meant."""
        if name in catalogue.load():
            return name, None
        rows = project.adapters.filter(archived_at=None)
        if name.startswith("run:"):
            adapter = rows.filter(run__number=border.whole(name[4:]) or 0).first()
        else:
            adapter = rows.filter(pk=pk).first() if (pk := border.whole(name)) else rows.filter(name=name).first()
        if adapter is None:
            names = ", ".join([*catalogue.load(), *(f"{a.pk}: {a.name}" for a in rows)])
            raise CommandRefused(f"No base or adapter is called {name!r}. Available: {names}.")
        return adapter.base, adapter

    def request(self, project: Project, base: str, adapter: Adapter | None, is_down: bool) -> Deployment:
        if not is_down:
            return deployments.deploy(project, base, [adapter] if adapter else [])
        deployment = project.deployments.filter(base=base).first()
        if deployment is None:
            raise CommandRefused(f"{base} was never deployed in {project}.")
        if adapter:
            deployments.remove_adapter(deployment, adapter)
        else:
            deployments.stop(deployment)
        return deployment

    def wait(self, deployment: Deployment, adapter: Adapter | None, options: dict[str, Any]) -> int:
        """Wait for the deployment. Returns 0 when it is as wanted, 1 when it failed, 4 when the time is over."""
        deadline, told = time.monotonic() + options["timeout"], ""
        while time.monotonic() < deadline:
            seen = deployments.live(Deployment.objects.get(pk=deployment.pk))
            words = f"{seen.label} {seen.message}".strip()
            if words != told and not options["json"]:
                self.stderr.write(words)
                told = words
            if seen.state == "failed" or "refused" in seen.message:
                return 1
            if is_as_wanted(seen, adapter, options["down"]):
                return 0
            time.sleep(0.3)
        return 4


def is_as_wanted(seen: deployments.DeploymentStatus, adapter: Adapter | None, is_down: bool) -> bool:
    loaded = adapter is not None and adapter.served_name in seen.deployment.loaded
    if is_down:
        return not loaded if adapter else seen.state == "down"
    return seen.state == "ready" and (adapter is None or loaded)
