"""Removal of local paths from what is shown to people: they reveal where an installation is stored and whose it is."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

PART = r"[\w.@+=~-]+"
# Not after a letter, a colon or a slash: those are addresses, fractions and "and/or".
ABSOLUTE = re.compile(rf"(?:(?<=file://)|(?<![\w:/.~…]))(?:/{PART}){{2,}}/?")


def hidden(text: str, roots: Iterable[str | os.PathLike[str]] = ()) -> str:
    """Return the text with every absolute path cut down to its last part, as in “…/adapter”.

    `roots` are folders that are known, longest first or not: these are found even when their names contain blanks.
    """
    known = {str(Path(root)) for root in roots}
    for root in sorted((root for root in known if root.count("/") > 1), key=len, reverse=True):
        text = re.sub(rf"{re.escape(root)}(?![\w-])((?:/{PART})*)/?", _last, text)
    return ABSOLUTE.sub(_last, text)


def _last(found: re.Match[str]) -> str:
    """Return the last part of a path; of a known root itself nothing is left."""
    below = found[1] if found.re.groups else found[0]
    last = below.rstrip("/").rpartition("/")[2]
    return f"…/{last}" if last else "…"
