"""Files made of drafts. What a writer writes, the readers read back as the same drafts; what it cannot hold, it names."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from curation.formats.drafts import Draft
from curation.formats.mapping import Mapping
from curation.formats.rows import RowError

KINDS = ("documents", "conversations", "preferences")
MARK = "atelier_"  # columns that begin so tell of the review; an import leaves them out unless told otherwise
COMMON = ("tools", "fields", "metadata", "group")
Refuse = Callable[[Draft, str], None]
Row = dict[str, Any]


class CannotHold(Exception):
    """A draft that the format has no place for; the message says what."""


@dataclass(frozen=True)
class Writer:
    """A format to export to: its name in addresses, its title for people, the file's ending, the kinds it can hold.

    `row` makes a draft's row, or raises CannotHold; `encode` makes bytes of rows; `mapping` reads the file back. An `exact`
    format holds every draft; of the others each row is read back at once, and refused unless it gives the same draft.
    """

    name: str
    title: str
    suffix: str
    kinds: tuple[str, ...]
    row: Callable[[Draft], Row]
    encode: Callable[[Iterable[Row]], Iterator[bytes]]
    mapping: Callable[[str], Mapping] | None = None
    exact: bool = False
    about: str = ""

    def write(self, drafts: Iterable[Draft], refuse: Refuse | None = None) -> Iterator[bytes]:
        """The file, piece by piece. What it cannot hold goes to `refuse` with the reason, else is raised as CannotHold."""
        return self.encode(self._rows(drafts, refuse))

    def _rows(self, drafts: Iterable[Draft], refuse: Refuse | None) -> Iterator[Row]:
        for draft in drafts:
            try:
                row = self.row(draft)
                if not self.exact:
                    self._read_back(draft, row)
            except CannotHold as error:
                if refuse is None:
                    raise
                refuse(draft, str(error))
            else:
                yield row | draft.marks if draft.marks else row

    def _read_back(self, draft: Draft, row: Row) -> None:
        """Raises CannotHold unless the row says the same as the draft."""
        if self.mapping is None:
            return
        try:
            found = self.mapping(draft.kind).apply(row)
        except RowError as error:
            raise CannotHold(f"An import would refuse the row: {error.problem.code.replace('-', ' ')}.") from error
        if found != draft:
            names = [name for name, part in Draft.__dataclass_fields__.items() if part.compare]
            other = [name for name in names if getattr(found, name) != getattr(draft, name)]
            raise CannotHold(f"An import would read other {' and '.join(other)} than the record has.")


WRITERS: dict[str, Writer] = {}


def register(writer: Writer) -> None:
    """Adds a format; its name must be new."""
    if writer.name in WRITERS:
        raise ValueError(f"There is a writer named {writer.name} already.")
    WRITERS[writer.name] = writer


def common(draft: Draft) -> Row:
    """What any row of objects can carry besides its messages; empty parts are left out."""
    row: Row = {name: value for name in COMMON if (value := getattr(draft, name))}
    return row | {"id": draft.key} if draft.key else row


def chat_row(draft: Draft) -> Row:
    """The row of a draft of any kind, with all that a later import needs; empty parts are left out."""
    row: Row = {}
    if draft.kind != "documents" or draft.messages:
        row["messages"] = draft.messages
    if draft.kind == "preferences":
        row |= {"chosen": draft.chosen, "rejected": draft.rejected}
    return row | common(draft)


def training_row(draft: Draft) -> Row:
    """Messages and tools alone, as fine-tuning services take them."""
    return {"messages": draft.messages} | ({"tools": draft.tools} if draft.tools else {})


def json_lines(rows: Iterable[Row]) -> Iterator[bytes]:
    """A JSON line for each row. The first one names every part, so that whoever reads the file's beginning knows of all."""
    first = True
    for row in rows:
        yield orjson.dumps(_whole(row) if first else row, option=orjson.OPT_APPEND_NEWLINE)
        first = False


def _whole(row: Row) -> Row:
    """The row with every part that later ones may have. Documents have no tools."""
    tools: Row = {"tools": []} if row.keys() & {"messages", "conversations", "instruction", "prompt"} else {}
    return {**tools, "fields": {}, "metadata": {}, "group": "", "id": "", **row}


def bare_lines(rows: Iterable[Row]) -> Iterator[bytes]:
    """A JSON line for each row, and nothing else: services refuse keys that they do not know."""
    for row in rows:
        kept = {name: value for name, value in row.items() if not name.startswith(MARK)}
        yield orjson.dumps(kept, option=orjson.OPT_APPEND_NEWLINE)


def reading(kind: str, style: str = "chat", messages: str = "messages", **more: Any) -> Mapping:
    """The mapping that reads an export of ours back."""
    rest: dict[str, Any] = {"fields": ["fields"], "metadata": ["metadata"], "group": "group", "key": "id"}
    if kind == "documents":
        return Mapping(kind, "columns", **rest)
    if kind == "preferences":
        rest |= {"prompt": messages, "chosen": "chosen", "rejected": "rejected"}
        return Mapping(kind, "preference", tools="tools", **rest)
    return Mapping(kind, style, messages=messages, tools="tools", **more, **rest)


register(Writer(
    "chat", "Chat, JSON Lines", ".jsonl", KINDS, chat_row, json_lines, reading, exact=True,
    about="Everything a record has: messages, tools, fields, metadata.",
))  # fmt: skip
register(Writer(
    "training", "Chat for fine-tuning services, JSON Lines", ".jsonl", ("conversations",), training_row, bare_lines, exact=True,
    about="Messages and tools alone, no metadata.",
))  # fmt: skip
