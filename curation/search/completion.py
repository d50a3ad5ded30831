"""Search completion: names of the query language and of the data's own columns, and their values."""

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

from atelier.accounts.models import User
from curation.models import Dataset
from curation.search import facets
from curation.search.query import HAS, IS, NAMES, SPLITS, STATUSES, key_written, written

MOST = 12
ROWS = 100  # of the dataset are looked at for its own columns
LONGEST = 60  # characters of a value worth offering
_LAST = re.compile(r"""(?:^|\s)(-?)((?:"[^"]*"|[^\s"])*(?:"[^"]*)?)$""")
FIXED = {"status": STATUSES, "split": SPLITS}  # offered also where no record has them
EXAMPLES = {
    "words": [">100", "<20", "10..50"], "tokens": [">400", ">=2048", "100..400"], "changed": [">2026-01-01", "2026-01-01..2026-01-31"],
    "created": [">2026-01-01"],
}  # fmt: skip


@dataclass(frozen=True)
class Completion:
    """A completion: `text` replaces the last word typed, which begins at `start`; `note` states what it is."""

    text: str
    note: str
    start: int


def complete(dataset: Dataset, typed: str) -> list[Completion]:
    """Return the completions of the text's last word, the likeliest first."""
    match = _LAST.search(typed[-500:])
    if match is None or not match[2]:
        return []
    sign, word, start = match[1], match[2], len(typed) - len(match[1]) - len(match[2])
    name, colon, begun = word.partition(":")
    offered = _values(dataset, name.strip('"'), begun.strip('"')) if colon else _names(dataset, word)
    return [Completion(sign + text, note, start) for text, note in offered if text != word][:MOST]


def _names(dataset: Dataset, begun: str) -> list[tuple[str, str]]:
    low = begun.strip('"').lower()
    names = [(f"{name}:", note) for name, (_, _, note) in NAMES.items() if name.startswith(low)]
    own = [
        (key_written(key, "x")[:-1], f"a column, such as {next(iter(values))}" if values else "a column")
        for key, values in columns(dataset).items()
        if key.lower().startswith(low)
    ]
    return names + own


def _values(dataset: Dataset, name: str, begun: str) -> list[tuple[str, str]]:
    """Return values of one name, from the tallies if they are kept there."""
    known = name.lower()
    if known in NAMES:
        return [(text, note) for value, text, note in _known(dataset, known) if begun.lower() in value.lower()]
    key = name.removeprefix("field.")
    return [
        (key_written(key, value), f"in {number} of the first {ROWS}")
        for value, number in columns(dataset).get(key, Counter()).most_common()
        if begun.lower() in value.lower()
    ]


def _known(dataset: Dataset, name: str) -> list[tuple[str, str, str]]:
    """Return the known values of a name as (value, condition, note)."""
    if name in ("has", "is"):
        return [(value, written(name, value), "") for value in (HAS if name == "has" else IS)]
    if name in EXAMPLES:
        return [(value, f"{name}:{value}", "for example") for value in EXAMPLES[name]]
    if name == "assigned":
        members = User.objects.filter(memberships__team=dataset.project.team).order_by("username")
        return [(one, written(name, one), "") for one in ["nobody", *members.values_list("username", flat=True)[:50]]]
    facet = {"by": "annotator"}.get(name, name)
    shown = next((one.values for one in facets.shown(facets.tallies(dataset), most=100) if one.name == facet), [])
    listed = [(value.text, value.term, f"{value.count:,} record{'' if value.count == 1 else 's'}") for value in shown]
    terms = {value.term for value in shown}
    none = [(value, written(name, value), "no record") for value in FIXED.get(name, ())]
    return listed + [row for row in none if row[1] not in terms]


def columns(dataset: Dataset) -> dict[str, Counter[str]]:
    """Return {key of fields or metadata: how often each short value occurs in the first rows}."""
    by_key: dict[str, Counter[str]] = {}
    for fields, metadata in dataset.records.present().order_by("pk").values_list("fields", "metadata")[:ROWS]:
        for key, value in [*_items(fields), *_items(metadata)]:
            values = by_key.setdefault(key, Counter())
            if (text := _plain(value)) and len(text) <= LONGEST:
                values[text] += 1
    return by_key


def _items(value: Any) -> list[tuple[str, Any]]:
    return [(key, inner) for key, inner in value.items() if key and '"' not in key] if isinstance(value, dict) else []


def _plain(value: Any) -> str:
    """Return a value as the search compares it."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float) else ""
