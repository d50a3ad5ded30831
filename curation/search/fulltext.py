"""Queries of the full-text index that `curation.search.index` keeps: its query language, and its matches as streams of ids.

No typed text is used in a query as it is: only plain words are taken over, between quotes.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from django.db.models import BooleanField, F, Func, Q, QuerySet, Value

from curation.search import sqlite
from curation.search.dialect import dialect

if TYPE_CHECKING:
    from curation.models import Record

MAX_WORDS = 16
SHORTEST = 3  # letters of a beginning; what is shorter is a whole word
GATHERED = 50_000  # matches that are taken as one set; of more, each record is asked
PIECES = (200, 4000)  # ids in the first piece of a stream, and in the largest
_WORD = re.compile(r"[^\W_]+")
_BEGINNING = re.compile(r"[^\W_]+:\*")  # in a query of PostgreSQL


def words(query: str) -> list[str]:
    """Return the plain words of what somebody typed: no operator, quote or wildcard of a query language is left."""
    return _WORD.findall(unicodedata.normalize("NFC", query))[:MAX_WORDS]


@dataclass(frozen=True)
class TextTerm:
    """Words that a record must contain: anywhere, the last one perhaps only begun; or as a phrase, one after the other."""

    text: str
    is_phrase: bool = False


@dataclass(frozen=True)
class FulltextQuery:
    """A query of the full-text index, in its language: empty when nothing is wanted.

    `loosely` has all words of its phrases, wherever they are: every match of the query is one of it too. Empty if there
    are no phrases.
    """

    query: str
    loosely: str = ""


NOTHING = FulltextQuery("")


def asked(wanted: Sequence[TextTerm], unwanted: Sequence[TextTerm] = ()) -> FulltextQuery | None:
    """Return the query of these terms, empty when nothing is wanted.

    None if no record can contain it, such as nothing but punctuation.
    """
    ordered = sorted(wanted, key=lambda said: not said.is_phrase)
    terms = [_term(term) for term in ordered]
    if not all(terms):
        return None
    query = dialect.BOTH.join(terms)
    if query and any(term.is_phrase and len(words(term.text)) > 1 for term in wanted):
        loosely = dialect.BOTH.join(_loose(term) for term in ordered)
    else:
        loosely = ""
    refused = any_of(unwanted)
    if query and refused:
        query = dialect.without(query, refused)
    return FulltextQuery(query, loosely)


def any_of(text_terms: Sequence[TextTerm]) -> str:
    """Return the query for records with one of these terms."""
    terms = [term for one in text_terms if (term := _term(one))]
    return dialect.EITHER.join(f"({term})" for term in terms)


def saying(records: "QuerySet[Record]", text: FulltextQuery | None) -> "QuerySet[Record]":
    """Return the records that a query of the index matches."""
    if text is None:
        return records.none()
    if not text.query:
        return records
    return records.filter(dialect.matching(text.query) or Contains(F("pk"), query=text.query))


def asking(records: "QuerySet[Record]", query: str) -> "QuerySet[Record]":
    """Return the records that a query of the index matches, each tested by itself: quick if there are few, or if most match."""
    return records.filter(Contains(F("pk"), query=query))


def refusing(records: "QuerySet[Record]", query: str) -> "QuerySet[Record]":
    """Return the records that a query of the index does not match."""
    if not query:
        return records
    matching = dialect.matching(query)
    if matching is not None and sqlite.frequency(query, GATHERED + 1) <= GATHERED:
        return records.exclude(matching)
    return records.filter(~Q(Contains(F("pk"), query=query)))


class Contains(Func):
    """The condition that the record with this id matches a query of the index. Quick for one record, slow for very many."""

    output_field = BooleanField()

    def __init__(self, pk: Any, query: str = "", **extra: Any) -> None:
        super().__init__(pk, Value(query), **extra)

    def as_sql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        pk, query = (compiler.compile(part) for part in self.source_expressions)
        return dialect.contains(pk, query)


def gathers_many(query: str) -> bool:
    """Whether PostgreSQL would put very many matches together before it gives the first one: those of a beginning beside other
    words, and without a look at the clock.
    """
    beginning = _BEGINNING.search(query)
    return beginning is not None and beginning[0] != query and dialect.expected(beginning[0]) > GATHERED


# --- words in the index's language ---------------------------------------------------------------


def _term(term: TextTerm) -> str:
    """Return a term made of plain words alone; empty if there are none."""
    plain = words(term.text)
    if not plain:
        return ""
    return dialect.phrase(plain) if term.is_phrase else dialect.every(plain, begun=_may_be_begun(plain[-1]))


def _loose(term: TextTerm) -> str:
    return dialect.every(list(dict.fromkeys(words(term.text)))) if term.is_phrase else _term(term)


def _may_be_begun(word: str) -> bool:
    """Return whether a word is long enough to be only begun.

    Very short beginnings match so many words that collecting their matches takes up to a second. In scripts other than
    Latin, marks or not, a few signs are a word.
    """
    return len(word) >= SHORTEST or not any(
        sign.isascii() or unicodedata.name(sign, "").startswith("LATIN") for sign in word
    )


# --- matches as streams, on SQLite ---------------------------------------------------------------


def pieces(ids: Iterator[int], gone: Iterator[int] | None, down: bool) -> Iterator[tuple[list[int], int]]:
    """Yield (ids that are not among the deleted ones, the last id looked at), piece by piece.

    Both streams have the same order.
    """
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


def of_phrases(text: FulltextQuery, down: bool, place: tuple[str, int] | None) -> Iterator[tuple[list[int], int]]:
    """Yield the matches of a query with phrases of frequent words.

    The index would search by itself until it finds one, through everything if need be; all records that have the words,
    matching or not, come steadily.
    """
    others = f"({text.loosely}) NOT ({text.query})"
    return pieces(sqlite.stream(text.loosely, down, place), sqlite.stream(others, down, place), down)
