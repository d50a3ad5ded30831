"""A job on the server: its state, and waiting for its end."""

import time
from typing import Any

from atelier_client import errors
from atelier_client.transport import Transport

OVER = {"done", "failed", "cancelled"}
FIRST_LOOK, LONGEST_LOOK = 0.1, 5.0  # seconds between two looks


class Job:
    """A job. `data` is the JSON of the last request; its fields can be read as items: `job["line"]`."""

    def __init__(self, transport: Transport, path: str, data: dict[str, Any]) -> None:
        self._transport, self._path, self.data = transport, path, data

    def __getitem__(self, name: str) -> Any:
        return self.data[name]

    def __repr__(self) -> str:
        return f"<Job {self._path}: {self.status}>"

    @property
    def id(self) -> int:
        return int(self.data["id"])

    @property
    def status(self) -> str:
        return str(self.data["status"])

    def refresh(self) -> "Job":
        self.data = self._transport.call("GET", self._path)
        return self

    def cancel(self) -> "Job":
        self._transport.call("POST", f"{self._path}/cancel")
        return self.refresh()

    def wait(self, timeout: float | None = None) -> "Job":
        """Wait until the job is done. Raises JobFailed with its sentence, or TimeoutError after `timeout` seconds."""
        ends = None if timeout is None else time.monotonic() + timeout
        pause = FIRST_LOOK
        while self.refresh().status not in OVER:
            if self.status == "paused":
                raise errors.JobFailed(f"The job is paused: {self.data.get('line') or 'resume it to continue'}.")
            if ends is not None and time.monotonic() >= ends:
                raise TimeoutError(
                    f"The job is still {self.status} after {timeout:g} seconds: {self.data.get('line', '')}"
                )
            time.sleep(pause)
            pause = min(pause * 1.5, LONGEST_LOOK)
        if self.status != "done":
            raise errors.JobFailed(str(self.data.get("error") or f"The job was {self.status}."))
        return self
