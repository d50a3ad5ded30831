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
