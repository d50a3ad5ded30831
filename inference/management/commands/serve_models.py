"""`manage.py serve_models`: the process that serves what deployments want."""

import signal
import sys
import threading
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from atelier.processes import AlreadyRunning, only_one
from inference.server import ModelServer


class Command(BaseCommand):
    help = (
        "Serve what is deployed: one vLLM process for each base model, adapters loaded and unloaded as they are wanted. "
        "Runs until SIGTERM or Ctrl-C, and then stops every process it started. Exit code 0, or 1 when another one runs."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        ended = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda received, frame: ended.set())
        Path(settings.DATA_DIR).mkdir(parents=True, exist_ok=True)
        try:
            with only_one(Path(settings.DATA_DIR) / "serve.lock"):
                self.stdout.write("The model server runs.")
                ModelServer(say=self.say).run(ended)
        except AlreadyRunning:
            self.stderr.write("Another model server runs with this data folder already; stop that one first.")
            sys.exit(1)
        self.stdout.write("The model server ended, and all that it served.")

    def say(self, words: str) -> None:
        self.stdout.write(words)
        self.stdout.flush()
