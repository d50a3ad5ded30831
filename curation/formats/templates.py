"""Fixed texts around columns: “Write a headline for: {text}”, where a name in braces is a column."""

import re
from collections.abc import Callable, Collection

PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+")
LONGEST = 20_000  # characters


class TemplateError(ValueError):
    """A template that cannot be filled; the message states what to change."""


def names_in(template: str) -> list[str]:
    """Return the columns that a template names, each once. Raises TemplateError."""
    names: dict[str, None] = {}
    for piece in PIECE.finditer(template):
        if piece[0] in ("{", "}"):
            around = template[max(0, piece.start() - 10) : piece.end() + 20]
            raise TemplateError(f"A brace stands alone in “{around}”. Write {piece[0] * 2} for a brace in the text.")
        if piece[1] is not None:
            names[piece[1]] = None
    return list(names)


def check(template: str, column: str, columns: Collection[str] = ()) -> None:
    """Raise TemplateError for a template that does not name its column, or names one that is not among `columns`."""
    names = names_in(template)
    if column not in names:
        raise TemplateError(f"The template of “{column}” must have {{{column}}} where its text goes.")
    for name in names:
        if columns and name not in columns:
            shown = ", ".join(f"{{{one}}}" for one in list(columns)[:20])
            said = f"The template of “{column}” has {{{name[:60]}}}, and the file has no such column. Use {shown}, and {{{{ for a brace."
            raise TemplateError(said)


def filled(template: str, text_of: Callable[[str], str], longest: int) -> str:
    """Return the template with the text of each column that it names; braces in these texts are text.

    Raises TemplateError for more than `longest` characters: a template may name one long column thousands of times.
    """
    texts = {name: text_of(name) for name in names_in(template)}
    parts: list[str] = []
    length = 0
    for piece in PIECE.finditer(template):
        parts.append(texts[piece[1]] if piece[1] is not None else piece[0][0] if piece[0] in ("{{", "}}") else piece[0])
        length += len(parts[-1])
        if length > longest:
            raise TemplateError(f"A fixed text with its columns has more than {longest:,} characters.")
    return "".join(parts)
