"""The Celery application, and the heartbeat of its workers.

A worker's main process forks its pool, so it uses no database and has no thread: a child inherits whatever lock another
thread holds at that moment, and waits for it for ever. The reaper (`manage.py reap`) is a process of its own.
"""

import logging
import os
import signal
import threading
import time
from typing import Any

from celery import Celery, bootsteps
from celery.signals import worker_shutting_down
from celery.worker import state

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "atelier.settings")
COLD_SECONDS = 5
BEAT_SECONDS = 3.0
DEAF_SECONDS = 60  # a main process that does not come round to its pulse for so long is ended by the kernel
END_SECONDS = 20  # for jobs to be given back; where children hang, so does Celery's own way to end
log = logging.getLogger(__name__)
app = Celery("atelier")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


class WorkerPulse(bootsteps.StartStopStep):
    """Reports every few seconds that the worker lives and what it took, and ends a worker that the reaper finds hanging.

    It runs in the worker's event loop. If that stops, the alarm, which each beat resets, ends the process.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self.timer: Any = None
        self.ending = False
        self.began = f"{time.time():.3f} {os.getpid()}"

    def start(self, consumer: Any) -> None:
        self.beat(consumer, obey=False)  # an order that is still there was for whoever had the name before
        self.timer = consumer.timer.call_repeatedly(BEAT_SECONDS, self.beat, (consumer,))

    def stop(self, consumer: Any) -> None:
        """Stop the reports and their alarm, also when the broker is lost, which may take hours: jobs continue without it."""
        if not self.ending:
            signal.alarm(0)
        if self.timer is not None:
            consumer.timer.cancel(self.timer)
            self.timer = None

    shutdown = stop

    def beat(self, consumer: Any, obey: bool = True) -> None:
        from atelier.jobs import broker

        if self.ending:
            return
        signal.alarm(DEAF_SECONDS)
        queues = tuple(sorted(queue.name for queue in consumer.task_consumer.queues))
        mine = broker.WorkerReport(
            consumer.hostname, self.began, queues, consumer.pool.num_processes, state.all_total_count[0]
        )
        try:
            wanted_end = broker.report(mine)
        except broker.BrokerUnavailable as error:
            log.warning("could not tell Redis that this worker lives: %s", error)
            return
        if wanted_end and obey:
            log.critical("This worker takes no work although some waits: it ends, so that it is started again.")
            self.ending = True
            signal.alarm(END_SECONDS)
            os.kill(os.getpid(), signal.SIGQUIT)


app.steps["consumer"].add(WorkerPulse)


@worker_shutting_down.connect
def end_for_certain(how: str = "", **_: Any) -> None:
    """End the worker after a cold shutdown's grace.

    Nothing is left to wait for, but without its broker it would hang for ever.
    """
    if how == "Cold":
        timer = threading.Timer(COLD_SECONDS, _end_hard)
        timer.daemon = True
        timer.start()


def _end_hard() -> None:
    """Kill the worker with its pool if they are a group of their own. Their jobs are in the database."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)
