"""Find and replace in texts. Patterns come from people and may never end, so they run in a child process with limits.

As a program (`python -m curation.finding`) it reads a wish, then batches of texts, one JSON a line, and answers each.
"""

import json
import re
import resource
import selectors
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self, TextIO, cast

MOST = 2_000_000  # characters of a text afterwards
SECONDS = 1.0  # for the texts of one record
MEMORY = 1 << 30  # bytes of address space of the child
MOST_FIND, MOST_REPLACE = 1000, 10_000
SLOW = "The pattern takes more than a second here: make it simpler."
LONG = f"The text would become longer than {MOST:,} characters."
BROKEN = "The pattern needs more memory than it may have: make it simpler."
UNREAD = "“Replace with” cannot be read: {}. Write \\1 for the first group, and \\\\ for a backslash."


class BadPattern(ValueError):
    """The pattern or what replaces it cannot be read; the message says why."""


@dataclass(frozen=True)
class Wish:
    """What to find, and what to put there. In `replace` of a pattern, \\1 and \\g<name> stand for what its groups found."""

    find: str
    replace: str = ""
    regex: bool = False
    case: bool = True
    words: bool = False

    def pattern(self) -> "re.Pattern[str]":
        """Raises BadPattern."""
        plain = self.find if self.regex else re.escape(self.find)
        if self.words:
            plain = rf"(?<!\w)(?:{plain})(?!\w)"
        try:
            return re.compile(plain, (re.NOFLAG if self.case else re.IGNORECASE) | re.MULTILINE)
        except (re.error, OverflowError, RecursionError) as error:
            raise BadPattern(f"This is no regular expression: {error}.") from error

    def put(self, text: str) -> str:
        """The text with every find replaced. Raises ValueError when it would become too long, BadPattern for a bad template."""
        return _put(self.pattern(), self.replace, self.regex, text)


def _put(pattern: "re.Pattern[str]", replace: str, expands: bool, text: str) -> str:
    pieces, place, length = [], 0, len(text)
    for match in pattern.finditer(text):
        try:
            new = match.expand(replace) if expands else replace
        except (re.error, IndexError) as error:
            raise BadPattern(UNREAD.format(error)) from error
        length += len(new) - (match.end() - match.start())
        if length > MOST:  # before the memory is taken
            raise ValueError(LONG)
        pieces += [text[place : match.start()], new]
        place = match.end()
    return "".join(pieces) + text[place:] if pieces else text


@dataclass(frozen=True)
class Found:
    """The texts of one record afterwards, or why it was left as it is."""

    texts: list[str]
    error: str = ""


class Finder:
    """Replaces in the texts of many records. A plain wish is done here, a pattern by a child that is killed when it hangs."""

    def __init__(self, wish: Wish) -> None:
        """Raises BadPattern."""
        self.wish = wish
        self._child: subprocess.Popen[str] | None = None
        if wish.regex:
            self._ask()
        else:
            self._pattern = wish.pattern()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def put(self, texts: Sequence[str]) -> Found:
        """All texts of one record, in their order."""
        if self.wish.regex:
            return self._ask(texts)
        try:
            return Found([_put(self._pattern, self.wish.replace, False, text) for text in texts])
        except ValueError as error:
            return Found(list(texts), str(error))

    def _ask(self, texts: Sequence[str] = ()) -> Found:
        child = self._child or self._start()
        answer = self._exchange(child, texts)
        if answer is None:  # killed by a limit: the next record gets a fresh one
            died = child.poll() is not None
            self._end()
            return Found(list(texts), BROKEN if died else SLOW)
        if answer.get("bad"):
            self._end()
            raise BadPattern(answer["bad"])
        return Found(list(texts), answer["error"]) if answer.get("error") else Found(answer["texts"])

    def _start(self) -> "subprocess.Popen[str]":
        self._child = subprocess.Popen(
            [sys.executable, "-m", "curation.finding"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            cwd=Path(__file__).parents[1],
        )
        if (said := self._exchange(self._child, None)) is None or said.get("bad"):
            self._end()
            raise BadPattern(said["bad"] if said else BROKEN)
        return self._child

    def _exchange(self, child: "subprocess.Popen[str]", texts: Sequence[str] | None) -> dict[str, Any] | None:
        """One line there, one line back; None when the child died or does not answer in time."""
        there, back = cast(TextIO, child.stdin), cast(TextIO, child.stdout)
        with suppress(BrokenPipeError):
            there.write(json.dumps(asdict(self.wish) if texts is None else list(texts)) + "\n")
            there.flush()
        with selectors.DefaultSelector() as waiting:
            waiting.register(back, selectors.EVENT_READ)
            line = back.readline() if waiting.select(5 + 5 * SECONDS) else ""
        if not line.endswith("\n"):
            with suppress(subprocess.TimeoutExpired):
                child.wait(0.1)
            return None
        found: dict[str, Any] = json.loads(line)
        return found

    def _end(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None


# --- the child -----------------------------------------------------------------------------------


def _read_template(pattern: "re.Pattern[str]", replace: str) -> None:
    """Raises BadPattern for what may not stand in place of what the pattern finds."""
    try:
        pattern.sub(replace, "")
    except (re.error, IndexError) as error:
        raise BadPattern(UNREAD.format(error)) from error


def _too_slow(*_: object) -> None:
    raise TimeoutError


def _answer(pattern: "re.Pattern[str]", wish: Wish, texts: list[str]) -> dict[str, Any]:
    signal.setitimer(signal.ITIMER_REAL, SECONDS)  # `re` looks for signals while it searches
    try:
        return {"texts": [_put(pattern, wish.replace, True, text) for text in texts]}
    except BadPattern as error:
        return {"bad": str(error)}
    except TimeoutError:
        return {"error": SLOW}
    except (ValueError, MemoryError, RecursionError) as error:
        return {"error": str(error) or BROKEN}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGALRM, _too_slow)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends it
    wish = Wish(**json.loads(sys.stdin.readline()))
    try:
        signal.setitimer(signal.ITIMER_REAL, 2 * SECONDS)
        pattern = wish.pattern()
        _read_template(pattern, wish.replace)  # before the first text comes
        signal.setitimer(signal.ITIMER_REAL, 0)
    except (BadPattern, TimeoutError, MemoryError) as error:
        said = SLOW if isinstance(error, TimeoutError) else str(error) or BROKEN
        print(json.dumps({"bad": said}), flush=True)  # noqa: T201
        return
    print(json.dumps({}), flush=True)  # noqa: T201
    for line in sys.stdin:
        print(json.dumps(_answer(pattern, wish, json.loads(line))), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
