"""Characters that cannot be stored: NUL, which PostgreSQL refuses, and halves of characters, which have no bytes in any file."""

import re

NUL, SIGN = "\x00", "\N{SYMBOL FOR NULL}"
HALF = "contains half a character (a lone surrogate), which cannot be stored. Remove it."
WITH_NUL = "contains a NUL character, which cannot be stored. Remove it."
UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")


def flaw(text: str) -> str:
    """Say why a text cannot be stored, as the end of a sentence; empty when it can."""
    if NUL in text:
        return WITH_NUL
    try:
        text.encode()
    except UnicodeEncodeError:
        return HALF
    return ""


def storable(text: str) -> str:
    """Return the text with the sign for an unknown character in place of what a database refuses."""
    return UNSTORABLE.sub("\ufffd", text)


def flaw_in(value: object) -> str:
    """Say why a JSON value cannot be stored, as the end of a sentence; empty when it can."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, list):
            waiting += one
        elif isinstance(one, str) and (found := flaw(one)):
            return found
    return ""
