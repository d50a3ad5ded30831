"""The state file of a run, `state.json`, for supervisors: replaced as a whole at each change."""

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

from training.trainer.failure import Failure

PHASES = ("loading", "tokenising", "training", "validating", "saving", "done", "stopped", "failed")


class RunState:
    """The state of a run, written by itself.

    `phase` is one of PHASES; `finish` is completed, "stopped early" or stopped; `updated` is a Unix time which moves
    with every step, so a supervisor can recognise a run that stalls.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "state.json"
        self.began = time.monotonic()
        self.writing = threading.Lock()
        self.values: dict[str, Any] = {
            "phase": "loading",
            "pid": os.getpid(),
            "started": time.time(),
            "step": 0,
            "total_steps": 0,
            "epoch": 0.0,
            "seconds_left": None,
            "device": "",
            "checkpoint": None,
            "resumed_from": None,
            "notes": [],
            "finish": None,
            "failure": None,
        }

    def set(self, **changes: Any) -> None:
        """Change values and write them all."""
        with self.writing:
            self._write(changes)

    def end(self, **changes: Any) -> None:
        """Write the last account: whoever else writes after this waits until the process has ended."""
        self.writing.acquire()
        self._write(changes)

    def _write(self, changes: dict[str, Any]) -> None:
        self.values |= changes
        self.values |= {"updated": time.time(), "seconds": round(time.monotonic() - self.began, 1)}
        draft = self.path.with_suffix(".part")
        draft.write_text(json.dumps(self.values, ensure_ascii=False))
        draft.replace(self.path)

    def note(self, sentence: str) -> None:
        """Note something worth reporting, such as a checkpoint that was moved aside."""
        print(sentence, flush=True)
        self.set(notes=[*self.values["notes"], sentence])

    def fail(self, failure: Failure) -> None:
        print(f"{failure.sentence} {failure.advice}".strip(), flush=True)
        about = {"code": failure.code, "sentence": failure.sentence, "advice": failure.advice}
        try:
            self.set(phase="failed", failure=about, seconds_left=None)
        except OSError:
            # The disk is full: the old file makes room for one of its size.
            self.path.write_text(json.dumps(self.values))
