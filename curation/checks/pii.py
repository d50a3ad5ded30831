"""Personal data in texts: found with its place, and masked so that the same value gets the same placeholder."""

import re
from collections.abc import Callable, Container, Iterable, Iterator
from ipaddress import ip_address
from typing import NamedTuple

from curation.checks.keys import find_keys
from curation.checks.names import find_names, known_names, parts
from curation.checks.numbers import DIGITS, Span, find_numbers

KINDS = {
    "EMAIL": "e-mail address",
    "PHONE": "phone number",
    "CARD": "card number",
    "IBAN": "bank account (IBAN)",
    "IP": "IP address",
    "ID": "national id",
    "SECRET": "secret or key",
    "NAME": "name",
}
Seen = dict[str, str]
EMAIL = re.compile(r"(?<![\w.%+-])[\w%+-][\w.%+-]{0,63}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}(?![\w-])")


class Finding(NamedTuple):
    """One piece of personal data: a key of KINDS, where it stands in the text, and what it is."""

    kind: str
    start: int
    end: int
    value: str


def find(text: str, names: Iterable[str] = ()) -> list[Finding]:
    """Everything personal in a text, in its order, without overlaps. `names` are known from elsewhere in the record."""
    told = [*names, *(part for name in known_names(text) for part in parts(name))]
    taken: list[Span] = []
    # The surest kinds come first and keep their place.
    for span in (*find_keys(text), *_emails(text), *find_numbers(text), *find_names(text, told)):
        if not any(span.start < other.end and other.start < span.end for other in taken):
            taken.append(span)
    taken.sort(key=lambda span: span.start)
    return [Finding(*span, text[span.start : span.end]) for span in taken]


def _emails(text: str) -> Iterator[Span]:
    if "@" in text:
        yield from (Span("EMAIL", *found.span()) for found in EMAIL.finditer(text))


def mask(text: str, seen: Seen, kinds: Container[str] = KINDS) -> tuple[str, list[Finding]]:
    """The text with [EMAIL_1], [NAME_2] … in place of what was found, and what was found.

    `seen` is one dict for all texts of a record: the same value gets the same placeholder in all of them. Masking what was
    masked changes nothing. Of `kinds` only, when some are named.
    """
    if "NAME" in kinds:
        learn(known_names(text), seen)
    told = [key[len("NAME:") :] for key in seen if key.startswith("NAME:")]
    findings = [finding for finding in find(text, told) if finding.kind in kinds]
    pieces, at = [], 0
    for finding in findings:
        pieces += [text[at : finding.start], placeholder(finding.kind, finding.value, seen)]
        at = finding.end
    return "".join([*pieces, text[at:]]), findings


def learn(names: Iterable[str], seen: Seen) -> None:
    """Give names, and each of their parts, a placeholder before any text is masked."""
    for name in names:
        given = placeholder("NAME", name, seen)
        for part in parts(name):
            seen.setdefault(f"NAME:{part}", given)


def placeholder(kind: str, value: str, seen: Seen) -> str:
    """The one that the value has, else the next of its kind."""
    key = f"{kind}:{SAME.get(kind, str)(value)}"
    if key not in seen:
        seen[key] = f"[{kind}_{len({each for each in seen.values() if each.startswith(f'[{kind}_')}) + 1}]"
    return seen[key]


def _digits(value: str) -> str:
    """A phone is the same with 00 and with +, with spaces and without."""
    digits = DIGITS.sub("", value)
    return digits.removeprefix("00")


# What makes two ways to write a value the same one.
SAME: dict[str, Callable[[str], str]] = {
    "EMAIL": str.casefold,
    "PHONE": _digits,
    "CARD": _digits,
    "IBAN": lambda value: value.replace(" ", "").upper(),
    "IP": lambda value: str(ip_address(value)),
    "ID": lambda value: re.sub(r"\W", "", value).upper(),
}
