"""The command `manage.py demo`: starts everything, runs the loop on the sample, shows the result, stays up."""

import sys
import time
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandParser
from rich.console import Console
from rich.table import Table

from atelier import installation
from atelier.jobs import terminal
from atelier.management.commands.up import farewell, greeting
from atelier.processes.supervisor import AlreadyRunning
from inference.demo import Demo, write


class Interruption(Exception):
    """An interruption by Ctrl-C."""


class Command(BaseCommand):
    help = (
        "Start everything, run the whole loop on the sample, print base against tuned, and keep running until Ctrl-C."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--once", action="store_true", help="exit after the loop; the exit code tells whether it succeeded"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with installation.ended_by_signal() as ended:
            try:
                with installation.running(self.stdout.write) as up:
                    self._loop(up, ended)
                    if not options["once"]:
                        self._stay(up, ended)
            except Interruption:
                self.stdout.write("Stopped before the end. Run `make demo` again to continue.")
                sys.exit(130)
            except ValidationError as error:
                self._fail(" ".join(error.messages))
            except (AlreadyRunning, RuntimeError) as error:
                self._fail(str(error))
        self.stdout.write("Everything is stopped.")
        if options["once"]:
            self.stdout.write(farewell())

    def _stay(self, up: installation.Installation, ended: Any) -> None:
        self.stdout.write("\n" + greeting(up.address))
        while not ended():
            up.supervisor.watch()
            time.sleep(0.5)

    def _loop(self, up: installation.Installation, ended: Any) -> None:
        def tick() -> None:
            up.supervisor.watch()
            if ended():
                raise Interruption

        self.stdout.write(f"Atelier is at {up.address}; the following runs there too.")
        demo = Demo(run=lambda job: terminal.run(job, tick=tick), tick=tick, say=self.stdout.write)
        began = time.monotonic()
        facts = demo.walk()
        show(facts, time.monotonic() - began)
        self.stdout.write(f"All figures are in {write(facts)}")

    def _fail(self, sentence: str) -> None:
        self.stderr.write(sentence)
        sys.exit(1)


def show(facts: dict[str, Any], seconds: float) -> None:
    """Print base against tuned, as a table in the terminal."""
    table = Table(title=f"Unseen briefs: {facts['rows']['test']} of the test split, the whole loop in {seconds:.0f} s")
    for name, style in (("", ""), ("Base", "dim"), ("Tuned", "bold")):
        table.add_column(name, style=style, justify="left" if not name else "right")
    for line in facts["table"]:
        table.add_row(line["measure"], line["base"], line["tuned"])
    Console().print(table)
