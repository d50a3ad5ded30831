"""A vLLM process: started, watched, given adapters, stopped with all its children."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atelier.processes import launch
from atelier.processes.child import end_session
from inference.vllm.command import Spec, command, environment
from inference.vllm.log import last_words, size_of, why_it_failed

LAUNCHER = Path(launch.__file__)
ENDED_BY: dict[int, str] = {
    signal.SIGKILL: "it was killed by hand, or by the system because memory ran out.",
    signal.SIGTERM: "a user or the system asked it to stop.",
}
# Straight to the process, whatever proxy the environment names.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class ServerError(RuntimeError):
    """A refusal by vLLM; the message is a sentence with its own words."""


@dataclass(frozen=True)
class Health:
    """The health of a server: state is "starting", "ready", "failed" or "stopped"; message has the server's own last words."""

    state: str
    message: str = ""


class Server:
    """A vLLM process of a Spec, with its log in a file; the URL is `spec.url`."""

    def __init__(self, spec: Spec, log_path: Path) -> None:
        self.spec = spec
        self.log_path = log_path
        self._process: subprocess.Popen[bytes] | None = None
        self._was_ready = False
        self._well_at = 0  # bytes of the log when all was last well: what failed is told behind them

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def is_running(self) -> bool:
        """Return whether the process lives, whether it answers or not."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process and return at once; `health()` reports its state. Raises ServerError when it already runs.

        On Linux the process ends with the thread that called this, so call it from one that lives as long as the
        caller's process.
        """
        if self._process is not None and self._process.poll() is None:
            raise ServerError(f"{self.spec.served_name} is already running.")
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        self._was_ready, self._well_at = False, 0
        with self.log_path.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(LAUNCHER), str(os.getpid()), *command(self.spec)],
                env=environment(self.spec),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # A group of its own, so that the engine's processes can be ended with it.
                start_new_session=True,
                cwd=self.log_path.parent,
            )

    def health(self) -> Health:
        """Return its current health; asks the process, so it takes up to two seconds when that hangs."""
        if self._process is None:
            return Health("stopped")
        code = self._process.poll()
        if code is not None:
            return Health("failed", self._why_it_ended(code))
        try:
            self._ask("GET", "/health", timeout=2)
        except ServerError:
            # Once ready, a server that does not answer is not starting; its engine has died or hangs.
            if self._was_ready:
                # What was killed a moment ago may refuse connections before it counts as ended.
                if (code := self._ended_within(0.2)) is not None:
                    return Health("failed", self._why_it_ended(code))
                return Health("failed", why_it_failed(self.log_path, self._well_at) or "vLLM no longer answers.")
            return Health("starting", last_words(self.log_path))
        self._was_ready, self._well_at = True, size_of(self.log_path)
        return Health("ready")

    def _ended_within(self, seconds: float) -> int | None:
        """Return the process's exit code, or None while it lives."""
        try:
            return self._process.wait(seconds) if self._process else None
        except subprocess.TimeoutExpired:
            return None

    def _why_it_ended(self, code: int) -> str:
        """Return its own words if there are any; the last line of its log only when it never answered."""
        if words := why_it_failed(self.log_path, self._well_at):
            return words
        if code < 0:
            return f"vLLM was ended by signal {-code}: {ENDED_BY.get(-code, 'it crashed; see its log.')}"
        last = "" if self._was_ready else last_words(self.log_path)
        return f"vLLM ended with code {code} without a reason." + (f" Its last log line: {last}" if last else "")

    def wait_ready(self, timeout: float = 300.0) -> None:
        """Wait until it answers. Raises ServerError with its own words when it fails, or after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while True:
            health = self.health()
            if health.state == "ready":
                return
            if health.state != "starting":
                raise ServerError(health.message)
            if time.monotonic() > deadline:
                raise ServerError(
                    f"vLLM was not ready after {timeout:.0f} seconds. Its last log line: {health.message}"
                )
            time.sleep(0.5)

    def models(self) -> list[str]:
        """Return the names that answer now: the base and its adapters. Raises ServerError."""
        return [model["id"] for model in json.loads(self._ask("GET", "/v1/models"))["data"]]

    def quiet_seconds(self) -> float:
        """Return for how long nobody has been answered; 0 while somebody is. Raises ServerError."""
        return float(json.loads(self._ask("GET", "/atelier/load", timeout=2))["quiet_seconds"])

    def load_adapter(self, name: str, path: Path) -> None:
        """Load an adapter so that it answers under a name. Raises ServerError with vLLM's words.

        vLLM keeps what it read from a path, so each run needs a path of its own.
        """
        self._ask("POST", "/v1/load_lora_adapter", {"lora_name": name, "lora_path": str(path)}, timeout=60)

    def unload_adapter(self, name: str) -> None:
        """Unload an adapter. Raises ServerError with vLLM's words."""
        self._ask("POST", "/v1/unload_lora_adapter", {"lora_name": name}, timeout=60)

    def stop(self, timeout: float = 10.0) -> None:
        """Stop it and all its children within `timeout` seconds: asked at first, killed in the end."""
        if self._process is None:
            return
        end_session(self._process.pid, self._process.poll, timeout - 2)
        self._process.wait(2)
        self._process = None

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None, timeout: float = 10) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.spec.port}{path}",
            data=data,
            method=method,
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {self.spec.key}"},
        )
        try:
            with DIRECT.open(request, timeout=timeout) as response:
                return bytes(response.read())
        except urllib.error.HTTPError as error:
            raise ServerError(_said(error.read())) from None
        except OSError as error:
            raise ServerError(f"vLLM does not answer on port {self.spec.port}: {error}.") from None


def _said(body: bytes) -> str:
    """Return vLLM's own words in an error response."""
    try:
        data = json.loads(body)
        error = data.get("error", data)
        return str(error.get("message") or data)[:500]
    except (ValueError, AttributeError):
        return body.decode(errors="replace")[:500]
