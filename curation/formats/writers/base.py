"""Writers of files from drafts.

What a writer writes, the readers read back as the same drafts; what it cannot hold, it names.
"""

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from curation.content import Draft
from curation.formats.mapping import Mapping
from curation.formats.readers.rows import RowError

KINDS = ("documents", "conversations", "preferences")
MARK = "atelier_"  # columns that begin so tell of the review; an import leaves them out unless told otherwise
COMMON = ("tools", "fields", "metadata", "group")
Refuse = Callable[[Draft, str], None]
Row = dict[str, Any]


class UnsupportedDraft(Exception):
    """A draft that the format cannot hold; the message states what."""


@dataclass(frozen=True)
class Writer:
    """An export format: its name in URLs, its title for people, the file's ending, the kinds it can hold.

    `row` makes a draft's row, or raises UnsupportedDraft; `encode` makes bytes of rows; `mapping` reads the file back.
    An `exact` format holds every draft; of the others each row is read back at once, and refused unless it gives the
    same draft.
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
        """Write the file, piece by piece.

        What it cannot hold goes to `refuse` with the reason, else is raised as UnsupportedDraft.
        """
        return self.encode(self._rows(drafts, refuse))

    def _rows(self, drafts: Iterable[Draft], refuse: Refuse | None) -> Iterator[Row]:
        for draft in drafts:
            try:
                row = self.row(draft)
                if not self.exact:
                    self._read_back(draft, row)
            except UnsupportedDraft as error:
                if refuse is None:
                    raise
                refuse(draft, str(error))
            else:
                yield row | draft.marks if draft.marks else row

    def _read_back(self, draft: Draft, row: Row) -> None:
        """Raise UnsupportedDraft unless the row reads back as the same draft."""
        if self.mapping is None:
            return
        try:
            draft_read = self.mapping(draft.kind).apply(row)
        except RowError as error:
            raise UnsupportedDraft(
                f"An import would refuse the row: {error.problem.code.replace('-', ' ')}."
            ) from error
        if draft_read != draft:
            names = [name for name, part in Draft.__dataclass_fields__.items() if part.compare]
            other = [name for name in names if getattr(draft_read, name) != getattr(draft, name)]
            raise UnsupportedDraft(f"An import would read different {' and '.join(other)} than the record has.")


WRITERS: dict[str, Writer] = {}


def register(writer: Writer) -> None:
    """Register a format; its name must be new."""
    if writer.name in WRITERS:
        raise ValueError(f"A writer named {writer.name} already exists.")
    WRITERS[writer.name] = writer


def common(draft: Draft) -> Row:
    """Return what any row of objects can have besides its messages; empty parts are left out."""
    row: Row = {name: value for name in COMMON if (value := getattr(draft, name))}
    return row | {"id": draft.key} if draft.key else row


def chat_row(draft: Draft) -> Row:
    """Return the row of a draft of any kind, with all that a later import needs; empty parts are left out."""
    row: Row = {}
    if draft.kind != "documents" or draft.messages:
        row["messages"] = draft.messages
    if draft.kind == "preferences":
        row |= {"chosen": draft.chosen, "rejected": draft.rejected}
    return row | common(draft)


def training_row(draft: Draft) -> Row:
    """Return messages and tools alone, as fine-tuning services take them."""
    return {"messages": draft.messages} | ({"tools": draft.tools} if draft.tools else {})


def json_lines(rows: Iterable[Row]) -> Iterator[bytes]:
    """Yield a JSON line for each row.

    The first one names every part, so that a reader of the file's beginning knows all of them.
    """
    first = True
    for row in rows:
        yield orjson.dumps(_whole(row) if first else row, option=orjson.OPT_APPEND_NEWLINE)
        first = False


def _whole(row: Row) -> Row:
    """Return the row with every part that later ones may have. Documents have no tools."""
    tools: Row = {"tools": []} if row.keys() & {"messages", "conversations", "instruction", "prompt"} else {}
    return {**tools, "fields": {}, "metadata": {}, "group": "", "id": "", **row}


def bare_lines(rows: Iterable[Row]) -> Iterator[bytes]:
    """Yield a JSON line for each row, and nothing else: services refuse unknown keys."""
    for row in rows:
        kept = {name: value for name, value in row.items() if not name.startswith(MARK)}
        yield orjson.dumps(kept, option=orjson.OPT_APPEND_NEWLINE)


def reading(kind: str, style: str = "chat", messages: str = "messages", **more: Any) -> Mapping:
    """Return the mapping that reads an Atelier export back."""
    rest: dict[str, Any] = {"fields": ["fields"], "metadata": ["metadata"], "group": "group", "key": "id"}
    if kind == "documents":
        return Mapping(kind, "columns", **rest)
    if kind == "preferences":
        rest |= {"prompt": messages, "chosen": "chosen", "rejected": "rejected"}
        return Mapping(kind, "preference", tools="tools", **rest)
    return Mapping(kind, style, messages=messages, tools="tools", **more, **rest)


register(Writer(
    "chat", "Chat, JSON Lines", ".jsonl", KINDS, chat_row, json_lines, reading, exact=True,
    about="Everything in a record: messages, tools, fields, metadata.",
))  # fmt: skip
register(Writer(
    "training", "Chat for fine-tuning services, JSON Lines", ".jsonl", ("conversations",), training_row, bare_lines, exact=True,
    about="Only messages and tools, without metadata.",
))  # fmt: skip


class Sink(io.RawIOBase):
    """What a Parquet or zip file is written to: no file, pieces that are taken away."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []
        self.size = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.size

    def write(self, data: Any) -> int:
        piece = bytes(data)
        self.pieces.append(piece)
        self.size += len(piece)
        return len(piece)

    def take(self) -> bytes:
        taken, self.pieces = b"".join(self.pieces), []
        return taken
