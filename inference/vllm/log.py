"""The log of a vLLM server: its last lines, and why it failed, in its own words."""

import re
from pathlib import Path

TAIL = 64 * 1024
MAX_WORDS = 400
# "(EngineCore pid=12) INFO 11-21 06:24:11 [model.py:733] Resolved architecture: ..."
PREFIX = re.compile(r"^(?:\([^)]*\) ?)*(?:(?:DEBUG|INFO|WARNING|ERROR|CRITICAL) \S+ \S+ (?:\[[^\]]*\] ?)?)?")
ERROR = re.compile(r"^(?:[\w.]+\.)?(?:\w*(?:Error|Exception|Interrupt|Failure)): (.+)$")
# Errors that only say that another process failed before.
ECHOES = (
    "Engine core initialization failed",
    "Engine process failed",
    "WorkerProc initialization failed",
    "EngineCore failed",
)
NOISE = re.compile(r"^[\W_]*$|[▄█▀]|^Route: |^Available routes|warnings\.warn|Warning: |resource_tracker")


def size_of(path: Path) -> int:
    """Return the bytes of a log; 0 when somebody removed it."""
    return path.stat().st_size if path.exists() else 0


def lines_of(path: Path, since: int = 0) -> list[str]:
    """Return the last lines of a log, without the marks in front of them; of those after the first `since` bytes."""
    try:
        with path.open("rb") as log:
            log.seek(0, 2)
            log.seek(max(since, log.tell() - TAIL))
            text = log.read().decode(errors="replace")
    except OSError:
        return []
    # A progress bar writes its states into one line; the last is what stands there.
    return [PREFIX.sub("", line.split("\r")[-1].rstrip()) for line in text.split("\n") if line.strip()]


def last_words(path: Path) -> str:
    """Return the last line that means something."""
    for line in reversed(lines_of(path)):
        if not NOISE.search(line) and len(line) > 3:
            return line.strip()[:MAX_WORDS]
    return ""


def why_it_failed(path: Path, since: int = 0) -> str:
    """Return the first error after `since` bytes of the log that is no echo of another, else the last one, else nothing."""
    lines = [line.strip() for line in lines_of(path, since)]
    found = [place for place, line in enumerate(lines) if ERROR.match(line) or "error: " in line]
    causes = [place for place in found if not any(echo in lines[place] for echo in ECHOES)]
    chosen = causes[:1] or found[-1:]
    if not chosen:
        return ""
    # Pydantic only counts in the first line, and says what is wrong in the next ones.
    counted = "validation error" in lines[chosen[0]]
    words = lines[chosen[0] + 1 : chosen[0] + 3] if counted else [lines[chosen[0]]]
    return re.sub(r"\s+", " ", " ".join(words)).strip()[:MAX_WORDS]
