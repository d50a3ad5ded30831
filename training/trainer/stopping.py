"""Stopping a training at any moment: on SIGTERM or SIGINT the last finished step is saved at once, and the process ends.

A step may take minutes, and Python's own handlers run only between them, after whatever torch computes. The signal's number
is written into a pipe by the interpreter's C code instead, and a thread reads it.
"""

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

from training import run_folder
from training.trainer.failure import describe
from training.trainer.state import RunState

if TYPE_CHECKING:
    from training.trainer.trainer import Trainer


class StopListener:
    """Ends the process on SIGTERM and SIGINT. Before the first step there is nothing to save; `trainer` says whom to save."""

    def __init__(self, status: RunState) -> None:
        self.status = status
        self.trainer: Trainer | None = None
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, frame: None)  # without a handler nothing is written into the pipe
        threading.Thread(target=self.listen, args=(reading,), name="stop listener", daemon=True).start()

    def listen(self, reading: int) -> None:
        """Wait for a signal, then save and end."""
        while os.read(reading, 1)[0] not in (signal.SIGTERM, signal.SIGINT):
            pass
        try:
            self.save()
        except Exception as error:  # this thread is the last that can say why
            self.status.fail(describe(error))
            self.leave(run_folder.FAILED)
        self.status.end(phase="stopped", finish="stopped", seconds_left=None)
        self.leave(run_folder.STOPPED)

    def save(self) -> None:
        """Save the last finished step unless it is saved already. While the adapter is written this waits for the end."""
        if self.trainer is None:
            return
        progress = self.trainer.progress
        progress.changing.acquire()  # and never given back: the next step must not begin
        step = self.trainer.state.global_step
        if step and progress.status.values["checkpoint"] != step:
            if progress.owes_validation:
                progress.record(self.trainer.state)
            self.trainer.save_checkpoint()
        print(f"paused after step {step}", flush=True)

    @staticmethod
    def leave(code: int) -> None:
        """End the process without waiting for the training's own thread."""
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
