"""Datasets of a hub as JSON lines, written by a process of its own: its library is large, and may load what no worker should."""

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

REACH_SECONDS = 20.0  # so long may the hub take to answer at all
QUIET_SECONDS = 600.0  # so long may it be silent later
MESSAGE = 2000


def fetch(
    origin: dict[str, Any], local: Path | None, folder: Path, say: Callable[[str], None]
) -> tuple[Path, tuple[str, ...]]:
    """The rows of a split in a file, and notes on what was left out. Raises ValidationError with a sentence."""
    out = folder / "rows.jsonl"
    asked = {name: origin.get(name, "") for name in ("name", "config", "split", "revision")}
    asked |= {"local": str(local or ""), "out": str(out)}
    command = [sys.executable, "-m", "curation.formats.hub_rows"]
    # Its working folder is empty: a dataset's name must never be taken for a folder of ours.
    with tempfile.TemporaryDirectory(dir=folder) as empty, tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, cwd=empty, env=_environment(folder)
        )
        try:
            return out, _follow(child, orjson.dumps(asked), say, origin["name"], errors)
        finally:
            child.kill()
            child.wait()


def _environment(folder: Path) -> dict[str, str]:
    """No key of ours goes along, and its cache ends with the import."""
    kept = {n: v for n, v in os.environ.items() if n in ("PATH", "LANG", "HOME", "LD_LIBRARY_PATH", "SSL_CERT_FILE")}
    kept |= {n: v for n, v in os.environ.items() if n.lower() in ("http_proxy", "https_proxy", "no_proxy")}
    kept |= {n: os.environ[n] for n in ("HF_ENDPOINT", "HF_TOKEN", "REQUESTS_CA_BUNDLE") if n in os.environ}
    cache = {"HF_HOME": str(folder / "hub"), "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_ETAG_TIMEOUT": "8"}
    return kept | cache | {"PYTHONPATH": str(settings.BASE_DIR), "USE_TORCH": "0", "USE_TF": "0", "USE_JAX": "0"}


def _follow(
    child: "subprocess.Popen[bytes]", asked: bytes, say: Callable[[str], None], name: str, errors: IO[bytes]
) -> tuple[str, ...]:
    """Read the child's lines, each a JSON object, until it says that all is written."""
    if child.stdin is None or child.stdout is None:
        raise RuntimeError("The child process has no pipes.")
    child.stdin.write(asked)
    child.stdin.close()
    watch = _Watch(child)
    for line in child.stdout:
        told = orjson.loads(line)
        watch.heard()
        if problem := told.get("problem"):
            raise ValidationError(problem[:MESSAGE])
        if "done" in told:
            return tuple(told["notes"])
        say(f"{told['rows']:,} rows of {name} fetched" if told.get("rows") else f"Reading {name}")
    if watch.ran_out:
        what = "be reached" if not watch.reached else "go on"
        raise ValidationError(
            f"The hub could not {what} within {watch.ran_out:.0f} seconds: check this machine's network, or upload a file."
        )
    errors.seek(0)
    last = errors.read()[-MESSAGE:].decode("utf-8", "replace").strip().splitlines()[-1:] or ["no words"]
    raise ValidationError(f"Reading {name} ended with an error: {last[0][:500]}")


class _Watch:
    """Ends a child that is silent for too long: at first a short while, then a longer one."""

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
