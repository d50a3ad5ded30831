"""The command `manage.py serve_models`: the process that serves what deployments want."""

import signal
import sys
import threading
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from atelier.processes.supervisor import AlreadyRunning, only_one
from inference.serving.reconciler import Reconciler


class Command(BaseCommand):
    help = "Serve the deployed models: one vLLM process for each base, with adapters loaded and unloaded on demand. Runs until SIGTERM or Ctrl-C, then stops every process that it started. Exit code 0, or 1 if another model server is running."

    def handle(self, *args: Any, **options: Any) -> None:
        ended = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda received, frame: ended.set())
        Path(settings.DATA_DIR).mkdir(parents=True, exist_ok=True)
        try:
            with only_one(Path(settings.DATA_DIR) / "serve.lock"):
                self.stdout.write("The model server is running.")
                Reconciler(say=self.say).run(ended)
        except AlreadyRunning:
            self.stderr.write("Another model server is already running with this data folder. Stop it first.")
            sys.exit(1)
        self.stdout.write("The model server ended and stopped everything it served.")

    def say(self, words: str) -> None:
        self.stdout.write(words)
        self.stdout.flush()
