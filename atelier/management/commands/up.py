"""The command `manage.py up`: everything on one machine, until Ctrl-C."""

import sys
import time
from typing import Any

from django.core.management.base import BaseCommand

from atelier import installation
from atelier.processes.supervisor import AlreadyRunning


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
    """Return what the terminal shows while everything is up: the URL, how to sign in, how to stop."""
    return "\n".join([f"Atelier is at {address}", *installation.login_lines(), "Ctrl-C stops everything."])


def farewell() -> str:
    """Return how to start Atelier again, for a terminal session that ends with nothing left running."""
    return "\n".join(["`make run` starts Atelier again with everything in this project.", *installation.login_lines()])
