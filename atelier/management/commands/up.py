"""`manage.py up`: everything on one machine, until Ctrl-C."""

import sys
import time
from typing import Any

from django.core.management.base import BaseCommand

from atelier import installation
from atelier.processes import AlreadyRunning


class Command(BaseCommand):
    help = "Start Redis (unless REDIS_URL is set), web, worker, trainer and model server; Ctrl-C stops them all."

    def handle(self, *args: Any, **options: Any) -> None:
        say = self.stdout.write
        with installation.ended_by_signal() as ended:
            try:
                with installation.running(say) as up:
                    say(greeting(up.address))
                    while not ended():
                        up.supervisor.watch()
                        time.sleep(0.5)
                    say("Stopping …")
            except (AlreadyRunning, RuntimeError) as error:
                self.stderr.write(str(error))
                sys.exit(1)
        say("Everything is stopped.")


def greeting(address: str) -> str:
    """The address, and the first login as long as its password was not changed."""
    login = installation.first_login()
    lines = [f"Atelier is at {address}"]
    if login:
        lines.append(f"Sign in as {login[0]} with the password {login[1]}")
    return "\n".join([*lines, "Ctrl-C stops everything."])
