"""Progress of a job in a terminal: a progress bar, and an exit code for its outcome."""

import sys
import threading
import time
from collections.abc import Callable

from django.db import connection
from django.utils.module_loading import import_string
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column

from atelier.jobs import queue
from atelier.jobs.models import Job, Status

EXIT = {Status.DONE: 0, Status.FAILED: 1, Status.CANCELLED: 130, Status.PAUSED: 3}
PATIENCE_SECONDS = 20


def run(job: Job, *, here: bool = False, quiet: bool = False, tick: Callable[[], None] | None = None) -> int:
    """Wake a worker, or with `here` work in this process, and wait. 0 is done, 1 failed, 3 paused, 130 cancelled."""
    console = Console(stderr=True, quiet=quiet)
    worker = threading.Thread(target=_work, args=(type(job), job.pk)) if here else None
    if worker:
        worker.start()
    else:
        queue.wake(job)
    try:
        _wait(job, console, tick)
    except KeyboardInterrupt:
        return _leave(job, console, worker)
    if job.status != Status.DONE:
        reason = job.error or job.line or "ended by a user."
        sys.stderr.write(f"{job.title} {job.get_status_display().lower()}: {reason}\n")
    return EXIT[Status(job.status)]


def _leave(job: Job, console: Console, worker: threading.Thread | None) -> int:
    """Leave after Ctrl-C.

    A worker of another process continues; the one in this process finishes what it has in hand, and pauses.
    """
    if worker is None:
        console.print(f"{job.title} continues in the background. You can cancel it on its page.")
        return 130
    console.print("Finishing the current step …")
    job.pause()
    worker.join()
    job.refresh_from_db()
    then = "you can resume it on its page." if job.status == Status.PAUSED else job.error or job.line
    console.print(f"{job.title} {job.get_status_display().lower()}: {then}")
    return 130


def _work(model: type[Job], pk: int) -> None:
    try:
        import_string(model.task)(pk)
    finally:
        connection.close()


def _wait(job: Job, console: Console, tick: Callable[[], None] | None) -> None:
    """Show the job's progress until it has ended, calling `tick` now and then."""
    columns = [
        BarColumn(20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        # What does not fit gives way here, never in the figures.
        TextColumn("{task.fields[line]}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
    ]
    console.print(job.title, style="bold")
    began = time.monotonic()
    warned = False
    with Progress(*columns, console=console, expand=True) as progress:
        bar = progress.add_task("", total=job.total or None, line="")
        while True:
            if tick:
                tick()
            job.refresh_from_db()
            line = job.line or job.get_status_display()
            progress.update(bar, completed=job.done, total=job.total or None, line=line)
            if job.is_over or job.status == Status.PAUSED:
                return
            if (
                job.status == Status.QUEUED
                and not (warned or job.started_at)
                and time.monotonic() - began > PATIENCE_SECONDS
            ):
                warned = True
                progress.console.print(
                    "No worker has started the job yet. Check that Atelier is running (`make run`), or use --here."
                )
            time.sleep(0.3)
