"""The dialect that search speaks to the database of this installation, chosen once: `sqlite` or `postgresql`."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, cast

from django.db import OperationalError, connection
from django.db.models import Q

from curation.models.records import RecordQuerySet
from curation.search import postgresql, sqlite


class Dialect(Protocol):
    """What the module of a database has."""

    FOLLOWS_TEXTS: bool  # whether matches of texts are followed in the order of the index (`results`)
    LIMIT: float  # seconds of a plain statement, and again of looking piece by piece
    LISTED_BY_ID: str  # hints after the name of the table
    ON_MAP: str
    AMONG: str  # the condition of being one of many ids, given as one parameter
    BOTH: str  # operators in a query of the index
    EITHER: str

    # Ids.
    listed: Callable[[Sequence[int]], Any]  # ids as the parameter of AMONG
    among: Callable[[RecordQuerySet, Sequence[int]], RecordQuerySet]

    # Time.
    clock: Callable[[], float]
    ending_after: Callable[[float], AbstractContextManager[None]]  # statements inside raise OperationalError
    was_ended: Callable[[OperationalError], bool]  # whether that is the error

    # The language of the index, of plain words, and its matches.
    phrase: Callable[[Sequence[str]], str]
    every: Callable[..., str]  # (words, begun=False): the last one perhaps only begun
    without: Callable[[str, str], str]  # a query, but not what another one matches
    matching: Callable[[str], Q | None]  # None: each record is asked (`contains`)
    contains: Callable[[tuple[str, Any], tuple[str, Any]], tuple[str, tuple[Any, ...]]]
    expected: Callable[[str], int]  # matches that would be gathered before the first is given

    # An import.
    prepare_import: Callable[[], None]
    add_imported: Callable[[int, Sequence[tuple[int, str]]], None]  # (import, [(line, text)]), just inserted
    merge: Callable[[], None]  # now and then
    settle: Callable[[], None]  # at its end

    # What the database keeps by itself.
    install_index: Callable[[Any, Sequence[str]], None]  # (cursor, tables that are there)
    install_tallies: Callable[[Any], bool]  # whether triggers were missing
    drop_triggers: Callable[[Any], None]  # before a migration, which they would stop
    lists: Callable[[str, str], Iterator[tuple[str, str, str]]]


dialect = cast(Dialect, sqlite if connection.vendor == "sqlite" else postgresql)
