"""The command `manage.py reap`: the process that wakes waiting jobs, releases those that lost their worker, and watches
workers.
"""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from atelier.jobs import reaper


class Command(BaseCommand):
    help = "Wake waiting jobs, release lost ones and watch the workers, until SIGTERM or Ctrl-C. You can run several."

    def handle(self, *args: Any, **options: Any) -> None:
        ended = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda received, frame: ended.set())
        self.stdout.write("The reaper runs.")
        reaper.run(ended)
        self.stdout.write("The reaper ended.")
