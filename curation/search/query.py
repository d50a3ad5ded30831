"""The query language of the search box, parsed into terms: words, "phrases", -not, name:value, name:>number, name:from..to.

Names with a meaning are in `NAMES`; any other is a field or metadata key of the records, and so is what follows
`field.`, for a column called `status` or `label`. Nothing typed here is ever part of a database's language.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

MAX_TERMS = 20
MAX_VALUE = 200
STATUSES = ("new", "accepted", "rejected", "skipped", "deleted")
SPLITS = ("train", "validation", "test")
HAS = ("problem", "comment", "label", "suggestion", "annotation", "duplicate", "source", "note")
IS = ("checked", "reviewed", "edited")
LIMIT = 2**63
COLUMN = "field."  # says that a name is one of the data's own

_NAME = re.compile(r"""(-?)(?:"([^"]+)"|([^\W\d][^\s:"]*)):(?!//)""")
_COMPARED = re.compile(r"(>=|<=|>|<|=)?(.*)", re.S)


class QueryError(ValueError):
    """A mistake in a search, as a sentence that states what would be right."""


@dataclass(frozen=True)
class Term:
    """A condition of a search.

    `name` is of `NAMES`, "field" for a key of the data (`key`), or "words" and "phrase" for text.
    """

    name: str
    value: str = ""
    key: str = ""
    low: int | date | None = None  # the range of a number or a day, both ends included
    high: int | date | None = None
    negated: bool = False


def parse(text: str) -> list[Term]:
    """Parse a search into terms, all of which must hold; the plain words are one term at the end. Raises QueryError."""
    terms: list[Term] = []
    words: list[str] = []
    for term in _terms(text):
        if term.name == "words" and not term.negated:
            words.append(term.value)
        else:
            terms.append(term)
    if len(terms) > MAX_TERMS:
        raise QueryError(
            f"A search can have at most {MAX_TERMS} conditions, and this one has {len(terms)}. Remove some."
        )
    return [*terms, Term("words", " ".join(words))] if words else terms


def advice(text: str) -> str:
    """Return a hint for the result of a search that another language would read otherwise; else an empty string."""
    try:
        words = {word for term in _terms(text) if term.name == "words" for word in term.value.split()}
    except QueryError:
        return ""
    if said := next((word for word in ("OR", "AND", "NOT") if word in words), ""):
        instead = {"NOT": "put a - before a condition to exclude it"}.get(said, "every condition must hold")
        return f"{said} was searched as a plain word: {instead}."
    return ""


def begun(text: str) -> str:
    """Return a hint for a last word that finds nothing and may be a condition still being typed; empty if it is none."""
    word = text.rpartition(" ")[2].lstrip("-").lower()
    names = [name for name in NAMES if len(word) > 1 and name.startswith(word)]
    return f"No record has “{word}”. Write a condition with a colon: {NAMES[names[0]][1]}." if names else ""


def quoted(value: str) -> str:
    """Return a value as it is written in a search."""
    return (
        value
        if re.fullmatch(r"[^\s\"<>=.-][^\s\"]*", value) and ".." not in value
        else f'"{value.replace(chr(34), " ")}"'
    )


def written(name: str, value: str) -> str:
    """Return `name:value`, for links and completion."""
    return f"{name}:{quoted(value)}"


def key_written(key: str, value: str) -> str:
    """Return a condition on a column of the data, with `field.` if the name means something else."""
    plain = re.fullmatch(r"""[^\W\d][^\s:"]*""", key) and key not in NAMES and not key.startswith(COLUMN)
    return written(key if plain else f'"{COLUMN}{key}"', value)


def _terms(text: str) -> Iterator[Term]:
    place = 0
    while place < len(text):
        if text[place].isspace():
            place += 1
            continue
        if (name := _NAME.match(text, place)) is not None:
            value, is_quoted, place = _value(text, name.end())
            yield _named((name[2] or name[3]), value, is_quoted, bool(name[1]))
            continue
        negated = text[place] == "-" and text[place + 1 : place + 2].strip() not in ("", "-")
        value, is_quoted, place = _value(text, place + negated)
        yield Term("phrase" if is_quoted else "words", value, negated=negated)


def _value(text: str, place: int) -> tuple[str, bool, int]:
    """Return (value, whether it was in quotes, where it ends)."""
    if text[place : place + 1] == '"':
        end = text.find('"', place + 1)
        if end < 0:
            said = text[place : place + 30]
            raise QueryError(f'The quotation {said} is not closed. Add another ".')
        return text[place + 1 : end], True, end + 1
    end = place
    while end < len(text) and not text[end].isspace():
        end += 1
    return text[place:end], False, end


def _named(name: str, value: str, is_quoted: bool, negated: bool) -> Term:
    if len(value) > MAX_VALUE:
        raise QueryError(f"The value of {name[:40]}: is longer than {MAX_VALUE} characters. Shorten it.")
    lowered = name.lower()
    if not value:
        example = NAMES[lowered][1] if lowered in NAMES else f"{name[:40]}:value"
        raise QueryError(f"After {name[:40]}: a value is missing. Write {example}, without a space after the colon.")
    if lowered in NAMES:
        term = NAMES[lowered][0](lowered, value)
        return Term(term.name, term.value, low=term.low, high=term.high, negated=negated)
    key = name[len(COLUMN) :] if lowered.startswith(COLUMN) else name
    if not key:
        raise QueryError("After field. the name of a column is missing. Write field.topic:energy.")
    # An unquoted star asks whether there is such a field at all.
    return Term("field", "" if value == "*" and not is_quoted else value, key, negated=negated)


def _one_of(allowed: tuple[str, ...]) -> Callable[[str, str], Term]:
    def read(name: str, value: str) -> Term:
        lowered = value.lower()
        if lowered not in allowed:
            lowered = lowered.removesuffix("s")  # has:problems
        if lowered not in allowed:
            raise QueryError(f"No record can have {name}:{value[:40]}. Use {name}: with one of {', '.join(allowed)}.")
        return Term(name, lowered)

    return read


def _text(name: str, value: str) -> Term:
    return Term(name, value)


def _id(name: str, value: str) -> Term:
    return Term(name, value, low=_whole(name, value))


def _whole(name: str, value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", value):
        raise QueryError(f"{name}:{value[:40]} isn't a whole number. Write {NAMES[name][1]}.")
    return int(value)


def _number(name: str, value: str) -> Term:
    """Parse a number, a comparison or a range. The term of `words:` is called "length", for "words" are text."""
    called = "length" if name == "words" else name
    low, dots, high = value.partition("..")
    if dots:
        begin = _whole(name, low) if low else 0
        end = _whole(name, high) if high else LIMIT - 1
        if begin > end:
            raise QueryError(
                f"{name}:{value[:40]} is empty, because its start is above its end. Write {name}:{end}..{begin}."
            )
        return Term(called, value, low=begin, high=end)
    sign, rest = _compared(value)
    number = _whole(name, rest)
    return Term(called, value, low={">": number + 1, "<": 0, "<=": 0}.get(sign, number),
                high={">": LIMIT - 1, ">=": LIMIT - 1, "<": number - 1}.get(sign, number))  # fmt: skip


def _compared(value: str) -> tuple[str, str]:
    found = _COMPARED.match(value)
    return (found[1] or "", found[2]) if found else ("", value)


def _date(name: str, value: str) -> date:
    try:
        if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
            raise ValueError
        day = date.fromisoformat(value)
        if not 1970 <= day.year <= 9000:
            raise ValueError
    except ValueError:
        raise QueryError(f"{name}:{value[:40]} isn't a date. Write the year first: {NAMES[name][1]}.") from None
    return day


def _days(name: str, value: str) -> Term:
    """Parse a range of days, both ends included; None for an open end."""
    low, dots, high = value.partition("..")
    if dots:
        return Term(name, value, low=_date(name, low) if low else None, high=_date(name, high) if high else None)
    sign, rest = _compared(value)
    day, one = _date(name, rest), timedelta(days=1)
    begin = {">": day + one, "<": None, "<=": None}.get(sign, day)
    end = {">": None, ">=": None, "<": day - one}.get(sign, day)
    return Term(name, value, low=begin, high=end)


NAMES: dict[str, tuple[Callable[[str, str], Term], str, str]] = {  # (reader, example, what it finds)
    "status": (_one_of(STATUSES), "status:accepted", "records with this status"),
    "split": (_one_of(SPLITS), "split:train", "records of this split"),
    "label": (_text, "label:urgent", "records with this label; label:none for those without"),
    "problem": (_text, "problem:empty", "records with this problem"),
    "language": (_text, "language:fr", "records in this language"),
    "by": (_text, "by:ann", "reviewed by this person; by:nobody"),
    "assigned": (_text, "assigned:ann", "assigned to this person; assigned:nobody"),
    "source": (_text, "source:12", "of this import, by its number or file name"),
    "has": (_one_of(HAS), "has:problem", f"records with one: {', '.join(HAS)}"),
    "is": (_one_of(IS), "is:checked", f"records with the state: {', '.join(IS)}"),
    "words": (_number, "words:>100", "length in words; also <, >=, <= and 10..20"),
    "tokens": (_number, "tokens:>400", "length in tokens of the student"),
    "changed": (_days, "changed:>2026-01-01", "changed after this day; also <, >=, <= and from..to"),
    "created": (_days, "created:2026-01-01", "created on this day"),
    "in": (_id, "in:7", "the records of this selection"),
    "cluster": (_id, "cluster:42", "the near-duplicates of this group"),
}
