"""What words ask of the full-text index that `curation.search` keeps: its query language, and its matches as streams of ids.

Nothing that somebody types is part of a query as it stands: only plain words are taken over, between quotes.
"""

import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from django.db import connection, connections
from django.db.models import BooleanField, F, Func, Q, QuerySet, Value
from django.db.models.expressions import RawSQL

from curation.search import TABLE, VECTOR

if TYPE_CHECKING:
    from curation.models import Record

MAX_WORDS = 16
SHORTEST = 3  # letters of a beginning; what is shorter is a whole word
MADE_OUT = 64  # words of one beginning that are named one by one
GATHERED = 50_000  # matches that are taken as one set; of more, each record is asked
PIECES = (200, 4000)  # ids in the first piece of a stream, and in the largest
_MATCHES = f"SELECT rowid FROM {TABLE} WHERE {TABLE} MATCH %s"  # noqa: S608 - a constant, and a parameter
_WORD = re.compile(r"[^\W_]+")
_BEGINNING = re.compile(r"[^\W_]+:\*")  # in a query of PostgreSQL


def words(query: str) -> list[str]:
    """The plain words of what somebody typed: no operator, quote or wildcard of a query language is left."""
    return _WORD.findall(unicodedata.normalize("NFC", query))[:MAX_WORDS]


@dataclass(frozen=True)
class Said:
    """Words that a record must contain: anywhere, the last one perhaps only begun; or as a phrase, one after the other."""

    text: str
    is_phrase: bool = False


@dataclass(frozen=True)
class Asked:
    """A query of the index, in its language: empty when nothing is asked. `loosely` has all words of its phrases, wherever they
    stand: every match of the query is one of it too. Empty where there are no phrases.
    """

    query: str
    loosely: str = ""


NOTHING = Asked("")


def asked(wanted: Sequence[Said], unwanted: Sequence[Said] = ()) -> Asked | None:
    """All of it, empty when nothing is wanted. None when no record can contain it: nothing but punctuation is in none."""
    ordered = sorted(wanted, key=lambda said: not said.is_phrase)
    terms = [_term(said) for said in ordered]
    if not all(terms):
        return None
    both = " AND " if connection.vendor == "sqlite" else " & "
    found = both.join(terms)
    if found and any(said.is_phrase and len(words(said.text)) > 1 for said in wanted):
        loosely = both.join(_loose(said) for said in ordered)
    else:
        loosely = ""
    refused = any_of(unwanted)
    if found and refused:
        found = f"({found}) NOT ({refused})" if connection.vendor == "sqlite" else f"({found}) & !({refused})"
    return Asked(found, loosely)


def any_of(said: Sequence[Said]) -> str:
    """What has one of these."""
    terms = [term for one in said if (term := _term(one))]
    return (" OR " if connection.vendor == "sqlite" else " | ").join(f"({term})" for term in terms)


def saying(records: "QuerySet[Record]", wanted: Asked | None) -> "QuerySet[Record]":
    """The records that a query of the index matches."""
    if wanted is None:
        return records.none()
    if not wanted.query:
        return records
    if connections[records.db].vendor == "sqlite":
        return records.filter(pk__in=RawSQL(_MATCHES, [wanted.query]))  # noqa: S611
    return records.filter(Contains(F("pk"), query=wanted.query))


def asking(records: "QuerySet[Record]", query: str) -> "QuerySet[Record]":
    """The same, each record asked by itself: quick where few are, or where most match."""
    return records.filter(Contains(F("pk"), query=query))


def refusing(records: "QuerySet[Record]", query: str) -> "QuerySet[Record]":
    """The records that a query of the index does not match."""
    if not query:
        return records
    if connections[records.db].vendor == "sqlite" and frequency(query, GATHERED + 1) <= GATHERED:
        return records.exclude(pk__in=RawSQL(_MATCHES, [query]))  # noqa: S611
    return records.filter(~Q(Contains(F("pk"), query=query)))


class Contains(Func):
    """Whether the record with this id has what a query of the index asks for. Quick for one record, slow for very many."""

    output_field = BooleanField()

    def __init__(self, pk: Any, query: str = "", **extra: Any) -> None:
        super().__init__(pk, Value(query), **extra)

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        pk, query = (compiler.compile(part) for part in self.source_expressions)
        return (
            f"EXISTS(SELECT 1 FROM {TABLE} WHERE {TABLE} MATCH {query[0]} AND rowid = {pk[0]})",  # noqa: S608
            (*query[1], *pk[1]),
        )

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        pk, query = (compiler.compile(part) for part in self.source_expressions)
        table = pk[0].rpartition(".")[0]
        return f"{table}.{VECTOR} @@ to_tsquery('simple', {query[0]})", (*pk[1], *query[1])


def gathers_many(query: str) -> bool:
    """Whether PostgreSQL would put very many matches together before it gives the first one: those of a beginning beside other
    words, and without a look at the clock. It says from its statistics how many it expects, in half a millisecond.
    """
    beginning = _BEGINNING.search(query)
    if connection.vendor != "postgresql" or beginning is None or beginning[0] == query:
        return False
    with connection.cursor() as cursor:
        cursor.execute(
            f"EXPLAIN (FORMAT JSON) SELECT FROM curation_record WHERE {VECTOR} @@ to_tsquery('simple', %s)",
            [beginning[0]],
        )
        (plan,) = cursor.fetchone()[0]
    return bool(plan["Plan"]["Plan Rows"] > GATHERED)


# --- words in the index's language ---------------------------------------------------------------


def _term(said: Said) -> str:
    """Made of plain words alone; empty when there are none."""
    found = words(said.text)
    if not found:
        return ""
    begun = not said.is_phrase and _may_be_begun(found[-1])
    if connection.vendor == "sqlite":
        if said.is_phrase:
            return f'"{" ".join(found)}"'
        return " AND ".join([*(f'"{word}"' for word in found[:-1]), _begun(found[-1]) if begun else f'"{found[-1]}"'])
    return f"({' <-> '.join(found)})" if said.is_phrase else " & ".join(found) + (":*" if begun else "")


def _loose(said: Said) -> str:
    if not said.is_phrase:
        return _term(said)
    if connection.vendor == "sqlite":
        return " AND ".join(f'"{word}"' for word in dict.fromkeys(words(said.text)))
    return " & ".join(dict.fromkeys(words(said.text)))


def _may_be_begun(word: str) -> bool:
    """Very short beginnings stand for so many words that putting their matches together takes up to a second. In scripts
    other than ours, marks or not, a few signs are a word.
    """
    return len(word) >= SHORTEST or not any(
        sign.isascii() or unicodedata.name(sign, "").startswith("LATIN") for sign in word
    )


def _begun(word: str) -> str:
    """A beginning for SQLite. It would put the matches of all its words together before it gives the first; words that are
    named one by one are followed as far as wanted.
    """
    if not word.isascii():  # the index may write it otherwise
        return f'"{word}" *'
    named, place, end = [], word.lower(), word.lower() + "\U0010ffff"
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE VIRTUAL TABLE IF NOT EXISTS temp.{TABLE}_words USING fts5vocab(main, {TABLE}, instance)"
        )
        while len(named) <= MADE_OUT:
            cursor.execute(
                f"SELECT term FROM temp.{TABLE}_words WHERE term >= %s AND term < %s LIMIT 1",  # noqa: S608
                [place, end],
            )
            if (row := cursor.fetchone()) is None:
                break
            named.append(row[0])
            place = row[0] + "\x01"  # what comes next in the order of words
    if not 0 < len(named) <= MADE_OUT:
        return f'"{word}" *'
    return f"({' OR '.join(quoted)})" if len(quoted := [f'"{one}"' for one in named]) > 1 else quoted[0]


# --- matches as streams, on SQLite ---------------------------------------------------------------


def frequency(query: str, most: int) -> int:
    """How many records of the whole installation match, up to a bound."""
    with connection.cursor() as cursor:
        sql = f"SELECT count(*) FROM (SELECT rowid FROM {TABLE} WHERE {TABLE} MATCH %s LIMIT %s)"  # noqa: S608
        cursor.execute(sql, [query, most])
        return int(cursor.fetchone()[0])


def among(query: str, pks: Sequence[int]) -> list[int]:
    """Those of many ids that match: one way through the matches, where the index would be asked anew for each id."""
    with connection.cursor() as cursor:
        sql = f"{_MATCHES} AND +rowid IN (SELECT value FROM json_each(%s))"  # noqa: S608
        cursor.execute(sql, [query, json.dumps(list(pks))])
        return [pk for (pk,) in cursor.fetchall()]


def stream(query: str, down: bool, place: tuple[str, int] | None = None) -> Iterator[int]:
    """Ids of the whole installation that match, in their order from a place on: (comparison, id). Read as far as wanted."""
    beyond = f" AND rowid {place[0]} %s" if place else ""
    sql = f"SELECT rowid FROM {TABLE} WHERE {TABLE} MATCH %s{beyond} ORDER BY rowid {'DESC' if down else 'ASC'}"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(sql, [query, *([place[1]] if place else [])])
        while rows := cursor.fetchmany(PIECES[0]):
            for (pk,) in rows:
                yield pk


def pieces(ids: Iterator[int], gone: Iterator[int] | None, down: bool) -> Iterator[tuple[list[int], int]]:
    """(ids that are not among those that are gone, the last id looked at), piece by piece; both streams have the same order."""
    size = PIECES[0]
    ahead = next(gone, None) if gone is not None else None
    with ExitStack() as stack:
        for one in (ids, gone):
            if one is not None and hasattr(one, "close"):
                stack.enter_context(closing(one))  # type: ignore[type-var]
        while piece := list(islice(ids, size)):
            dropped = set()
            while ahead is not None and gone is not None and (ahead >= piece[-1] if down else ahead <= piece[-1]):
                dropped.add(ahead)
                ahead = next(gone, None)
            yield [pk for pk in piece if pk not in dropped], piece[-1]
            size = min(2 * size, PIECES[1])


def of_phrases(wanted: Asked, down: bool, place: tuple[str, int] | None) -> Iterator[tuple[list[int], int]]:
    """The matches of a query with phrases of frequent words. The index goes on by itself until it meets one, over everything
    if need be; all that have the words, and those of them that are none, both come steadily.
    """
    others = f"({wanted.loosely}) NOT ({wanted.query})"
    return pieces(stream(wanted.loosely, down, place), stream(others, down, place), down)
