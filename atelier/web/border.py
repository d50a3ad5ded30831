"""Validation of input at the border: texts, numbers and ids, before anything else looks at them.

One cleaner of texts and one reader of numbers and ids, for REST, forms, URLs and commands alike. Each either returns
what may be stored or refuses it: nothing is changed silently. It knows nothing of requests.
"""

import json
import math
from collections.abc import Iterable, Iterator
from typing import Any

from django.core.exceptions import ValidationError

from atelier.characters import NUL, SIGN, flaw

BIGGEST = 2**63 - 1  # what a column of ids holds, on both databases
BIGGEST_INT = 2**31 - 1  # what a column of counts and seeds holds
DEEPEST = 100  # of JSON: what is nested deeper is no data, and takes the stack of whoever reads it


# --- texts ---------------------------------------------------------------------------------------


def text(value: str, name: str = "The text") -> str:
    """Return the text itself. Raises ValidationError, beginning with `name`, when it cannot be stored."""
    if wrong := flaw(value):
        raise ValidationError(f"{name} {wrong}")
    return value


def fault(value: Any) -> tuple[str, str] | None:
    """Return (place, what is wrong) of the first text within lists and dicts that cannot be stored, or is nested too deep.

    None when all may be stored.
    """
    for place, text in _within(value, "", 0):
        if text is None:
            return place, f"is nested more than {DEEPEST} levels deep. Send a flatter structure."
        if wrong := flaw(text):
            return place, wrong
    return None


def fields(given: Iterable[tuple[str, Iterable[Any]]]) -> str:
    """Return a sentence on the first field of a form or a query, as (name, values), that cannot be stored; empty when all can.

    Values that are no text, such as a file, are ignored.
    """
    for name, values in given:
        for value in (name, *values):
            if isinstance(value, str) and (wrong := flaw(value)):
                return f"“{name[:40].replace(NUL, SIGN)}” {wrong}"
    return ""


def storable(value: Any, name: str = "The text") -> Any:
    """Return the value itself. Raises ValidationError when a text anywhere in it cannot be stored."""
    if found := fault(value):
        raise ValidationError(f"{name} {found[1]}")
    return value


def _within(value: Any, place: str, depth: int) -> Iterator[tuple[str, str | None]]:
    """Yield (place, text) of every text, keys too; (place, None) where it is nested too deep."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict | list | tuple) and depth >= DEEPEST:
        yield place, None
    elif isinstance(value, dict):
        for key, part in value.items():
            yield place, str(key)
            yield from _within(part, f"{place}.{str(key)[:40]}".lstrip("."), depth + 1)
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            yield from _within(part, f"{place}.{index}".lstrip("."), depth + 1)


# --- numbers -------------------------------------------------------------------------------------


def whole(value: Any, least: int = 0, most: int = BIGGEST) -> int | None:
    """Return a whole number as people write it: ASCII digits alone, from `least` to `most`. None for anything else.

    `"²".isdigit()` is true and `int("²")` fails; `int` also takes blanks, signs, underscores, digits of other scripts,
    and fails on more than 4,300 of them.
    """
    if isinstance(value, str):
        if not (value.isascii() and value.isdigit() and len(value) <= 19):
            return None
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        return None
    return value


def wholes(given: str, most: int = 1000) -> list[int]:
    """Return the numbers of a list such as `1,2,3`; invalid ones are left out, and so is what follows the first `most`."""
    return [number for part in given.split(",", most)[:most] if (number := whole(part)) is not None]


def number(value: Any, least: float, most: float) -> float | None:
    """Return a number such as 0.5 from `least` to `most`. None for anything else: NaN and infinity too."""
    if isinstance(value, bool) or not isinstance(value, str | int | float) or len(str(value)[:41]) > 40:
        return None
    try:
        figure = float(value)
    except (ValueError, OverflowError):
        return None
    return figure if math.isfinite(figure) and least <= figure <= most else None


# --- JSON ----------------------------------------------------------------------------------------


def read_json(raw: str | bytes, name: str = "The body") -> Any:
    """Parse a JSON text.

    Raises ValidationError, with a sentence, for invalid JSON: NaN, infinity and numbers too large to store too.

    Its texts are not checked (`storable` does that).
    """
    try:
        return json.loads(raw, parse_constant=_not_json, parse_float=_finite, parse_int=_integer)
    except RecursionError:
        raise ValidationError(
            f"The JSON is nested more than {DEEPEST} levels deep. Send a flatter structure."
        ) from None
    except ValueError:  # also bytes that are not UTF-8
        raise ValidationError(f"{name} is not valid JSON.") from None


def _not_json(name: str) -> Any:
    raise ValidationError(f"{name} isn't a number in JSON. Send null or a number.")


def _finite(digits: str) -> float:
    figure = float(digits)
    if not math.isfinite(figure):
        raise ValidationError(f"The number {digits[:40]} is too large.")
    return figure


def _integer(digits: str) -> int:
    if len(digits) > 40:
        raise ValidationError(f"The number {digits[:20]}… has too many digits.")
    return int(digits)
