"""One vLLM process: started, watched, given adapters, stopped with all its children."""

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

from inference.serving.command import Spec, command, environment
from inference.serving.words import last_words, why_it_failed

LAUNCHER = Path(__file__).with_name("launch.py")
# Straight to the process, whatever proxy the environment names.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class ServerError(RuntimeError):
    """vLLM refused something; the message is a sentence with its own words."""


@dataclass(frozen=True)
class Health:
    """state is "starting", "ready", "failed" or "stopped"; message holds the server's own last words."""

    state: str
    message: str = ""


class Server:
    """A vLLM process of a Spec, with its log in a file; the address is `spec.url`."""

    def __init__(self, spec: Spec, log_path: Path) -> None:
        self.spec = spec
        self.log_path = log_path
        self._process: subprocess.Popen[bytes] | None = None
        self._was_ready = False

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def is_running(self) -> bool:
        """True while the process lives, whether it answers or not."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process and return at once; `health()` says how it goes. Raises ServerError when it runs.

        On Linux the process ends with the thread that called this, so call it from one that lives as long as we do.
        """
        if self._process is not None and self._process.poll() is None:
            raise ServerError(f"{self.spec.served_name} runs already.")
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        self._was_ready = False
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
        """How it is now; asks the process, so it takes up to two seconds when that hangs."""
        if self._process is None:
            return Health("stopped")
        code = self._process.poll()
        if code is not None:
            words = why_it_failed(self.log_path)
            return Health("failed", words or f"vLLM ended with code {code} and said nothing.")
        try:
            self._ask("GET", "/health", timeout=2)
        except ServerError:
            # Once ready, a server that does not answer is not starting; its engine has died or hangs.
            if self._was_ready:
                return Health("failed", why_it_failed(self.log_path) or "vLLM does not answer any more.")
            return Health("starting", last_words(self.log_path))
        self._was_ready = True
        return Health("ready")

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
                raise ServerError(f"vLLM was not ready after {timeout:.0f} seconds. Its last words: {health.message}")
            time.sleep(0.5)

    def models(self) -> list[str]:
        """The names that answer now: the base and its adapters. Raises ServerError."""
        return [model["id"] for model in json.loads(self._ask("GET", "/v1/models"))["data"]]

    def load_adapter(self, name: str, path: Path) -> None:
        """Let an adapter answer under a name. Raises ServerError with vLLM's words.

        vLLM keeps what it read from a path, so each run needs a path of its own.
        """
        self._ask("POST", "/v1/load_lora_adapter", {"lora_name": name, "lora_path": str(path)}, timeout=60)

    def unload_adapter(self, name: str) -> None:
        """Take an adapter away. Raises ServerError with vLLM's words."""
        self._ask("POST", "/v1/unload_lora_adapter", {"lora_name": name}, timeout=60)

    def stop(self, timeout: float = 10.0) -> None:
        """End it and all its children within `timeout` seconds: asked at first, killed in the end."""
        if self._process is None:
            return
        group = self._process.pid
        deadline = time.monotonic() + timeout - 2
        _signal(group, signal.SIGTERM)
        while time.monotonic() < deadline and _alive(group, self._process):
            time.sleep(0.1)
        _signal(group, signal.SIGKILL)
        self._process.wait(2)
        self._process = None

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None, timeout: float = 10) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.spec.port}{path}",
            data=data,
            method=method,
            headers={"Content-Type": "application/json"},
        )
        try:
            with DIRECT.open(request, timeout=timeout) as response:
                return bytes(response.read())
        except urllib.error.HTTPError as error:
            raise ServerError(_said(error.read())) from None
        except OSError as error:
            raise ServerError(f"vLLM does not answer on port {self.spec.port}: {error}.") from None


def _signal(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return


def _alive(group: int, process: subprocess.Popen[bytes]) -> bool:
    """Whether any process of the group lives; the leader is reaped here, else it would count as one."""
    process.poll()
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _said(body: bytes) -> str:
    """vLLM's own words in an error answer."""
    try:
        data = json.loads(body)
        error = data.get("error", data)
        return str(error.get("message") or data)[:500]
    except (ValueError, AttributeError):
        return body.decode(errors="replace")[:500]
