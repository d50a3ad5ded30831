"""Columns of an import: those that first occur after the rows by which the file was mapped, and how many rows have each.

The first rows decide the mapping. What only later rows have, or the second table of a zip, takes its usual role by its name where
the mapping has none for it in that row, and is metadata otherwise; it is never left out.
"""

from collections.abc import Iterable
from collections.abc import Mapping as MappingType
from dataclasses import fields, replace
from typing import Any, NamedTuple

import orjson

from curation.chat import Problem
from curation.content import LABEL_LENGTH, MOST_LABELS, Draft
from curation.formats.column_names import (
    ASSISTANT,
    BESIDE,
    GROUP,
    HISTORY,
    KEY,
    MESSAGES,
    PICTURES,
    SYSTEM,
    TEXT,
    TOOLS,
    USER,
    in_usual_order,
    plain_name,
)  # fmt: skip
from curation.formats.mapping import OURS, Mapping
from curation.formats.pictures import is_picture
from curation.formats.readers.rows import RowError
from curation.formats.templates import names_in
from curation.formats.turns import ALPACA

NAMED = 500  # late columns that are decided one by one; what comes behind them is metadata
COUNTED = 2000  # columns that are counted one by one
NAME_LENGTH = 200  # characters of a name that are kept
PROSE = 8  # words of a text that is a field of a document, not a note about it
NOT_COLUMNS = ("kind", "style", "fix", "system_text", "templates")  # of a mapping
EMPTY = (None, "")


class LateColumn(NamedTuple):
    """A column that the first rows did not have: the line (and file of an archive) where it first occurs, and its use."""

    line: int
    use: str
    file: str = ""


def uses(mapping: Mapping) -> dict[str, str]:
    """Return what a mapping uses each of its columns as: `role:user`, `messages`, `fields`, `metadata`, `key`, …"""
    found: dict[str, str] = dict.fromkeys(ALPACA, "alpaca") if mapping.style == "alpaca" else {}
    for each in fields(mapping):
        value = getattr(mapping, each.name)
        if each.name in NOT_COLUMNS or not value:
            continue
        if isinstance(value, str):
            found[value] = "role:system" if each.name == "system" else each.name
        elif isinstance(value, list):
            found |= {column: each.name for column in value if column not in found}
        elif each.name == "roles":
            found |= {column: f"role:{role}" for column, role in value.items()}
    if mapping.chosen and mapping.chosen == mapping.rejected:
        found[mapping.chosen] = "pair"
    for column, template in mapping.templates.items():
        # A column that a fixed text names is a part of the message that the text makes.
        found = {name: found[column] for name in names_in(template) if column in found} | found
    return found


def usual(name: str, value: Any, kind: str) -> str:
    """Return the use of a column by its name, for records of this kind; metadata if it has no usual one."""
    plain = plain_name(name)
    singles = {"tools": TOOLS, "key": KEY, "group": GROUP}
    if name.startswith(OURS):
        return ""
    if found := next((use for use, names in singles.items() if plain in names), ""):
        return found if kind != "documents" or found != "tools" else "metadata"
    if kind == "documents":
        is_prose = isinstance(value, str) and len(value.split(maxsplit=PROSE)) >= PROSE
        return "fields" if plain in TEXT or is_prose else "metadata"
    if plain in PICTURES and (value == [] or is_picture(value)):  # where one row has none, others have some
        return "images"
    if plain in SYSTEM or plain in HISTORY:
        return "role:system" if plain in SYSTEM else "role:history"
    if kind == "preferences":
        return "prompt" if plain in (*USER, *MESSAGES) else plain if plain in ("chosen", "rejected") else "metadata"
    if plain in MESSAGES and isinstance(value, list | str):
        return "messages"
    return "role:user" if plain in USER else "role:assistant" if plain in ASSISTANT else "metadata"


def labels(mapping: Mapping, data: dict[str, Any]) -> list[str]:
    """Return a row's labels in alphabetical order, each once: of a text or a number one, of a list its entries.

    A list may be JSON, as in the cell of a table. Raises RowError for what is no label.
    """
    column = mapping.labels
    value = data.get(column) if column else None
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            value = [value]  # a label that begins so
    entries = value if isinstance(value, list) else [value]
    if any(isinstance(entry, dict | list) for entry in entries) or len(entries) > MOST_LABELS:
        problem = f"“{column}” must hold a label, or a list of at most {MOST_LABELS}. Import the column as metadata."
        raise RowError(Problem("label-form", problem))
    found = {" ".join(_label(entry).split()) for entry in entries if entry is not None} - {""}
    if any(len(label) > LABEL_LENGTH or not label.isprintable() for label in found):
        problem = f"“{column}” has a label of more than {LABEL_LENGTH} characters, or with some that cannot be printed."
        raise RowError(Problem("label-form", problem))
    return sorted(found)


def _label(entry: Any) -> str:
    """Return a label's text; true and false, and whole numbers that a table holds as fractions, as JSON has them."""
    if isinstance(entry, bool):
        return "true" if entry else "false"
    return str(int(entry)) if isinstance(entry, float) and entry.is_integer() else str(entry)


class ColumnReader:
    """Reads rows under a mapping, and decides once for each late column what it is. `late` goes on from an earlier attempt."""

    def __init__(self, mapping: Mapping, columns: Iterable[str], late: MappingType[str, Iterable[Any]] = {}) -> None:
        self.mapping = mapping
        self.known = {*columns, *mapping.columns}
        self.late = {name: LateColumn(*found) for name, found in late.items()}
        self._needed = _needed(mapping)
        self._uses = uses(mapping)
        self._free = {name for name, use in self._uses.items() if use == "metadata"} | self.known - {*mapping.columns}

    def apply(self, data: dict[str, Any], line: int = 0, file: str = "") -> Draft:
        """Return the draft of one row. Raises RowError with the problem."""
        is_other = bool(self._needed) and not any(
            name in data for name in self._needed
        )  # a row of another table than the first ones
        if data.keys() <= self.known and not is_other:
            return self.mapping.apply(data)
        late = [name for name in data if name not in self.known or (is_other and self._has_use(name, data[name]))]
        for name in late:
            if name not in self.late and data[name] not in EMPTY and len(self.late) < NAMED:
                self.late[name] = LateColumn(line, usual(name, data[name], self.mapping.kind), file)
        mapping = self._of_row(data, late)
        draft = mapping.apply(data)
        draft.notes += self._without_fixed_texts(mapping, data, late)
        return draft

    def _without_fixed_texts(self, mapping: Mapping, data: dict[str, Any], late: list[str]) -> list[str]:
        """Return notes on late columns in the places of others that have a fixed text around them."""
        lacking = [column for column in self.mapping.templates if data.get(column) in EMPTY]
        if not lacking:
            return []
        found = uses(mapping)
        return [
            f"“{name}” was imported without the fixed text around “{column}”, because such a row has no “{column}”."
            for column in lacking
            for name in late
            if data[name] not in EMPTY and found.get(name) in (self._uses.get(column), "messages")
        ]

    def late_json(self) -> dict[str, list[Any]]:
        """Return the late columns so far as JSON."""
        return {short(name): list(found) for name, found in self.late.items()}

    def _has_use(self, name: str, value: Any) -> bool:
        return name in self._free and usual(name, value, self.mapping.kind) not in ("", "metadata")

    def _of_row(self, data: dict[str, Any], late: list[str]) -> Mapping:
        """Return the mapping with the late columns of a row, each in its use if no other column of the row has that."""
        base = self.mapping
        wanted = {name: self.late[name].use if name in self.late else "metadata" for name in late}
        metadata = [name for name in base.metadata if name not in wanted]
        mapping = replace(base, fields=[*base.fields], metadata=metadata, roles=dict(base.roles))
        present = {name for name, value in data.items() if value not in EMPTY}
        if mapping.kind == "conversations" and self._needed and not any(name in present for name in self._needed):
            _in_other_style(mapping, wanted)
        for name, use in wanted.items():
            if use and not _take(mapping, name, use, present):
                mapping.metadata.append(name)
        return mapping


def _needed(mapping: Mapping) -> list[str]:
    """Return the columns of which a row must have one, so that the mapping finds a record in it."""
    if mapping.kind == "documents":
        return mapping.fields
    if mapping.kind == "preferences":
        return [mapping.chosen, mapping.rejected]
    if mapping.style in ("chat", "sharegpt"):
        return [mapping.messages]
    if mapping.style == "alpaca":
        asking = [name for name, role in ALPACA.items() if role == "user"]
        return [*asking, *map(str.capitalize, asking), *map(str.upper, asking)]
    return [name for name, role in mapping.roles.items() if role == "user"]


def _in_other_style(mapping: Mapping, wanted: dict[str, str]) -> None:
    """Make the mapping take the row's own form of conversation, if its late columns hold one."""
    if "messages" in wanted.values():
        mapping.style, mapping.messages, mapping.roles = "chat", "", {}
    elif "role:user" in wanted.values() and mapping.style != "columns":
        mapping.style, mapping.messages = "columns", ""


def _take(mapping: Mapping, name: str, use: str, present: set[str]) -> bool:
    """Give a late column its use in one row; return False if another column of the row has it."""
    if use in ("fields", "metadata"):
        getattr(mapping, use).append(name)
        return True
    role = use.removeprefix("role:")
    if use.startswith("role:") and mapping.style == "columns":
        others = [
            other for other, given in mapping.roles.items() if other in present and other != name and given == role
        ]
        is_part = role == "user" and plain_name(name) in BESIDE and all(plain_name(other) in USER for other in others)
        if others and not is_part:
            return False
        mapping.roles = in_usual_order(mapping.roles | {name: role})
        return True
    if use.startswith("role:") and role != "system":
        return False
    if use == "messages" and mapping.style != "chat":
        return False
    if (other := getattr(mapping, role)) and other in present:
        return False
    setattr(mapping, role, name)
    return True


def short(name: str) -> str:
    """Return a column's name as it is stored and shown: without NUL and half characters, and not at any length."""
    return name[:NAME_LENGTH].replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


class ColumnCounts:
    """How many rows have a value in each column. Behind the first `COUNTED` columns their values are counted together."""

    def __init__(self, counts: MappingType[str, int] = {}, others: int = 0) -> None:
        self.counts, self.others = dict(counts), others

    def add(self, data: dict[str, Any]) -> None:
        """Count one row."""
        counts = self.counts
        for name, value in data.items():
            has_value = value is not None and value != ""
            if name not in counts and (name := short(name)) not in counts:
                if len(counts) >= COUNTED:
                    self.others += has_value
                    continue
                counts[name] = 0
            counts[name] += has_value

    def merge(self, more: "ColumnCounts") -> None:
        """Add the counts of further rows."""
        self.others += more.others
        for name, count in more.counts.items():
            if name in self.counts or len(self.counts) < COUNTED:
                self.counts[name] = self.counts.get(name, 0) + count
            else:
                self.others += count
