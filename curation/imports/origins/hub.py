"""Imports from a dataset hub as JSON lines, written by a process of its own.

Its library is large, and may load what no worker should.
"""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import orjson
from django.conf import settings
from django.core.exceptions import ValidationError

from atelier.files.local_paths import hidden

REACH_SECONDS = 20.0  # so long may the hub take to answer at all
QUIET_SECONDS = 600.0  # so long may it be silent later
MESSAGE = 2000
HINT = " If it is private, the administrator of this installation can list it in ATELIER_IMPORT_HUB_TOKEN_FOR."


def fetch(
    origin: dict[str, Any], local: Path | None, folder: Path, say: Callable[[str], None]
) -> tuple[Path, tuple[str, ...]]:
    """Download the rows of a split into a file; return it with notes on what was left out.

    Raises ValidationError with a sentence.
    """
    out = folder / "rows.jsonl"
    request = {name: origin.get(name, "") for name in ("name", "config", "split", "revision")}
    request |= {"local": str(local or ""), "out": str(out), "hint": "" if _may_use_token(origin["name"]) else HINT}
    command = [sys.executable, "-m", "curation.imports.origins.hub_process"]
    # Its working folder is empty: a dataset's name must never be taken for a folder of ours.
    with tempfile.TemporaryDirectory(dir=folder) as empty, tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=empty,
            env=_environment(folder, origin["name"]),
        )
        try:
            return out, _follow(child, orjson.dumps(request), say, origin["name"], errors)
        finally:
            child.kill()
            child.wait()


def _may_use_token(name: str) -> bool:
    """Return whether the installation's own token may be used: otherwise anyone who may import could read all that it may."""
    allowed = settings.IMPORT_HUB_TOKEN_FOR
    return "*" in allowed or name in allowed or ("/" in name and name.split("/")[0] in allowed)


def _environment(folder: Path, name: str) -> dict[str, str]:
    """Return the child's environment: no keys but the hub's, if it may be used, and a cache that is deleted with the import."""
    environment = {
        n: v for n, v in os.environ.items() if n in ("PATH", "LANG", "HOME", "LD_LIBRARY_PATH", "SSL_CERT_FILE")
    }
    environment |= {n: v for n, v in os.environ.items() if n.lower() in ("http_proxy", "https_proxy", "no_proxy")}
    hub = ("HF_ENDPOINT", "REQUESTS_CA_BUNDLE", *(["HF_TOKEN"] if _may_use_token(name) else []))
    environment |= {n: os.environ[n] for n in hub if n in os.environ}
    cache = {"HF_HOME": str(folder / "hub"), "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_ETAG_TIMEOUT": "8"}
    return environment | cache | {"PYTHONPATH": str(settings.BASE_DIR), "USE_TORCH": "0", "USE_TF": "0", "USE_JAX": "0"}


def _follow(
    child: "subprocess.Popen[bytes]", request: bytes, say: Callable[[str], None], name: str, errors: IO[bytes]
) -> tuple[str, ...]:
    """Read the child's lines, each a JSON object, until it reports that all is written."""
    if child.stdin is None or child.stdout is None:
        raise RuntimeError("The child process has no pipes.")
    child.stdin.write(request)
    child.stdin.close()
    watch = _Watch(child)
    for line in child.stdout:
        message = orjson.loads(line)
        watch.heard()
        if problem := message.get("problem"):
            raise ValidationError(problem[:MESSAGE])
        if "done" in message:
            return tuple(message["notes"])
        say(f"{message['rows']:,} rows of {name} downloaded" if message.get("rows") else f"Reading {name}")
    if watch.ran_out:
        what = "be reached" if not watch.reached else "continue"
        raise ValidationError(
            f"The hub could not {what} within {watch.ran_out:.0f} seconds. Check this machine's network, or upload a file."
        )
    errors.seek(0)
    last = errors.read()[-MESSAGE:].decode("utf-8", "replace").strip().splitlines()[-1:] or ["no message"]
    raise ValidationError(f"Reading {name} ended with an error: {hidden(last[0][:500], [sys.prefix])}")


class _Watch:
    """Ends a child process that is silent for too long: at first a short time, then a longer one."""

    def __init__(self, child: "subprocess.Popen[bytes]") -> None:
        self.child, self.reached, self.ran_out = child, False, 0.0
        self.last = time.monotonic()
        threading.Thread(target=self._run, daemon=True).start()

    def heard(self) -> None:
        self.reached, self.last = True, time.monotonic()

    def _run(self) -> None:
        while self.child.poll() is None:
            allowed = QUIET_SECONDS if self.reached else REACH_SECONDS
            if time.monotonic() - self.last > allowed:
                self.ran_out = allowed
                self.child.kill()
                return
            time.sleep(0.2)
