"""Find-and-replace patterns, and the child process of `bulk.replace`, which applies people's regular expressions."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

MOST = 2_000_000  # characters of a text afterwards
LONG = f"The text would become longer than {MOST:,} characters."
BROKEN = "The pattern needs too much memory. Simplify it."
UNREAD = "“Replace with” cannot be read: {}. Write \\1 for the first group, and \\\\ for a backslash."


class BadPattern(ValueError):
    """A pattern or replacement that cannot be read; the message states why."""


@dataclass(frozen=True)
class Replacement:
    """What to find, and its replacement. In `replace` of a pattern, \\1 and \\g<name> are replaced by what its groups found."""

    find: str
    replace: str = ""
    regex: bool = False
    case: bool = True
    words: bool = False

    def pattern(self) -> "re.Pattern[str]":
        """Return the compiled pattern. Raises BadPattern."""
        plain = self.find if self.regex else re.escape(self.find)
        if self.words:
            plain = rf"(?<!\w)(?:{plain})(?!\w)"
        try:
            return re.compile(plain, (re.NOFLAG if self.case else re.IGNORECASE) | re.MULTILINE)
        except (re.error, OverflowError, RecursionError) as error:
            raise BadPattern(f"This isn't a regular expression: {error}.") from error

    def put(self, text: str) -> str:
        """Return the text with every match replaced.

        Raises ValueError if it would become too long, BadPattern for a bad template.
        """
        return put(self.pattern(), self.replace, self.regex, text)


def put(pattern: "re.Pattern[str]", replace: str, expands: bool, text: str) -> str:
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


REFUSALS = (BadPattern,)


def work(setup: bytes) -> Callable[[bytes], bytes]:
    """Return a function that answers the texts of a record with the replaced ones, or with why they cannot be.

    All of it is JSON.
    """
    replacement = Replacement(**json.loads(setup))
    pattern = replacement.pattern()
    try:
        pattern.sub(replacement.replace, "")  # so that it is read before the first text comes
    except (re.error, IndexError) as error:
        raise BadPattern(UNREAD.format(error)) from error
    return lambda texts: json.dumps(_answer(pattern, replacement, json.loads(texts))).encode()


def _answer(pattern: "re.Pattern[str]", replacement: Replacement, texts: list[str]) -> dict[str, Any]:
    try:
        return {"texts": [put(pattern, replacement.replace, True, text) for text in texts]}
    except BadPattern:
        raise
    except (ValueError, RecursionError) as error:
        return {"error": str(error) or BROKEN}
