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
    """What stands in the terminal while everything is up: the address, how to sign in, how to end."""
    return "\n".join([f"Atelier is at {address}", *login(), "Ctrl-C stops everything."])


def farewell() -> str:
    """For whoever ends by themselves: nothing answers any more, so how to have it again."""
    return "\n".join(["`make run` starts Atelier again, with all that is here now.", *login()])


def login() -> list[str]:
    """The first login as a line, as long as its password was not changed."""
    known = installation.first_login()
    return [f"Sign in as {known[0]} with the password {known[1]}"] if known else []
