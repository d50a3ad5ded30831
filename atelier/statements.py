"""Statements that are asked many times a second: Django builds and compiles them once, later only their values change.

To build and compile a query set with some joins costs up to ten times the processor that asking it costs, and a server that
is asked the same words again need not plan them again: PostgreSQL's part of a submit went down by two fifths. What a decorated
function returns must follow from its arguments' places alone, never from their values: it is called once for each kind of
database, with a `Slot` for each argument.
"""

import copy
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from types import NoneType, SimpleNamespace
from typing import Any, ParamSpec, TypeVar, get_args, get_origin

from django.db import DEFAULT_DB_ALIAS, connections, models, transaction
from django.db.models.expressions import Expression
from django.db.models.sql import UpdateQuery

P = ParamSpec("P")
T = TypeVar("T")
FIELDS: dict[Any, type["models.Field[Any, Any]"]] = {
    int: models.BigIntegerField,
    float: models.FloatField,
    bool: models.BooleanField,
    str: models.TextField,
    datetime: models.DateTimeField,
    dict: models.JSONField,
}
WHOLE = range(-(2**63), 2**63)  # what a column of whole numbers can hold


@dataclass(frozen=True)
class Hole:
    """Stands among a statement's parameters for the value of an argument."""

    name: str
    field: "models.Field[Any, Any]"


class Slot(Expression):
    """An argument of which only the kind is known when the statement is built."""

    def __init__(self, name: str, field: "models.Field[Any, Any]") -> None:
        super().__init__(output_field=field)
        self.hole = Hole(name, field)

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        return "%s", [self.hole]


class _Statement:
    """What is compiled, by the kind of database, and how an argument gets into its place."""

    def __init__(self, build: Callable[..., Any]) -> None:
        self.build = build
        self.kinds = {name: one.annotation for name, one in inspect.signature(build).parameters.items()}
        self.compiled: dict[str, Any] = {}
        self.__doc__ = build.__doc__

    def made(self, connection: Any) -> Any:
        """What `compile` gave the first time. Two threads may compile at once: both get the same."""
        found = self.compiled.get(connection.vendor)
        if found is None:
            slots = [Slot(name, _field(kind)) for name, kind in self.kinds.items()]
            found = self.compiled[connection.vendor] = self.compile(self.build(*slots), connection)
        return found

    def compile(self, built: Any, connection: Any) -> Any:
        raise NotImplementedError

    def filled(self, parameters: Sequence[Any], given: tuple[Any, ...], connection: Any) -> tuple[Any, ...] | None:
        """The parameters with the arguments among them; None when one is a number that no column holds, so no row has it."""
        values = dict(zip(self.kinds, given, strict=True))
        if any(isinstance(value, int) and value not in WHOLE for value in given):
            return None
        return tuple([_adapted(one, values[one.name], connection) if isinstance(one, Hole) else one for one in parameters])  # fmt: skip


def _field(kind: Any) -> "models.Field[Any, Any]":
    """Of `int | None` that of `int`."""
    plain = [one for one in get_args(kind) if one is not NoneType] or [kind]
    return FIELDS[get_origin(plain[0]) or plain[0]]()


def _adapted(hole: Hole, value: Any, connection: Any) -> Any:
    return None if value is None else hole.field.get_db_prep_value(value, connection)


def _cursor(connection: Any) -> Any:
    """On PostgreSQL one that prepares what it executes: the server parses and plans it once for each connection."""
    if connection.vendor != "postgresql":
        return connection.cursor()
    connection.ensure_connection()
    return connection._prepare_cursor(_preparing()(connection.connection))


@cache
def _preparing() -> Any:
    import psycopg  # only where it is the database's

    class Preparing(psycopg.Cursor[Any]):
        def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
            return super().execute(query, params, **{**options, "prepare": True})

    return Preparing


class _Prepared:
    """A connection as a compiler sees it: what it executes is prepared."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def cursor(self) -> Any:
        return _cursor(self.connection)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.connection, name)


class _Select(_Statement):
    def compile(self, built: Any, connection: Any) -> Any:
        compiler = built.query.get_compiler(connection=connection)
        sql, parameters = compiler.as_sql()
        # What is kept refers to a connection: to one that nobody ever opens, so that this one can end.
        compiler.connection = connections.create_connection(DEFAULT_DB_ALIAS)
        converters = compiler.get_converters([column[0] for column in compiler.select])
        compiler.get_converters = lambda _columns: converters
        return built._iterable_class, compiler, sql, parameters

    def __call__(self, *given: Any) -> list[Any]:
        connection = connections[DEFAULT_DB_ALIAS]
        iterable, compiled, sql, parameters = self.made(connection)
        filled = self.filled(parameters, given, connection)
        if filled is None:
            return []
        # Django's own iterables make the rows, as of any query set: they ask the query for its compiler, and that for SQL.
        compiler = copy.copy(compiled)
        compiler.connection, compiler.as_sql = _Prepared(connection), lambda: (sql, filled)
        query = SimpleNamespace(get_compiler=lambda using: compiler)
        return list(iterable(SimpleNamespace(db=connection.alias, query=query, _known_related_objects={})))


class _Update(_Statement):
    def compile(self, built: Any, connection: Any) -> Any:
        rows, values = built
        query = rows.query.chain(UpdateQuery)
        query.add_update_values(values)
        return query.get_compiler(connection=connection).as_sql()

    def __call__(self, *given: Any) -> int:
        connection = connections[DEFAULT_DB_ALIAS]
        sql, parameters = self.made(connection)
        filled = self.filled(parameters, given, connection)
        if filled is None:
            return 0
        with transaction.mark_for_rollback_on_error(connection.alias), _cursor(connection) as cursor:
            cursor.execute(sql, filled)
            return max(int(cursor.rowcount), 0)


def kept(build: "Callable[P, models.QuerySet[Any, T]]") -> Callable[P, list[T]]:
    """The rows of a query set, as a function of its arguments, which are given by their places.

    Arguments are of the kinds in `FIELDS`; None is compared with =, so it finds nothing.
    """
    return _Select(build)  # type: ignore[return-value]


def kept_update(build: "Callable[P, tuple[models.QuerySet[Any, Any], dict[str, Any]]]") -> Callable[P, int]:
    """An UPDATE of a query set with values, as a function of its arguments; gives the number of rows."""
    return _Update(build)  # type: ignore[return-value]
