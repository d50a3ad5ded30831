"""Prepared statements for frequent queries: Django builds and compiles them once, later only their values change.

Building and compiling a query set with some joins costs up to ten times the processor time of running it, and a server
that gets the same text again need not plan it again: PostgreSQL's part of a submit was reduced by two fifths. What a
decorated function returns must follow from its arguments' places alone, never from their values: it is called once for
each kind of database, with an `Argument` for each argument.
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
class Placeholder:
    """The placeholder of an argument's value among a statement's parameters."""

    name: str
    field: "models.Field[Any, Any]"


class Argument(Expression):
    """An argument of which only the kind is known when the statement is built."""

    def __init__(self, name: str, field: "models.Field[Any, Any]") -> None:
        super().__init__(output_field=field)
        self.hole = Placeholder(name, field)

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        return "%s", [self.hole]


class _Statement:
    """A compiled statement by the kind of database, and how an argument gets into its place."""

    def __init__(self, build: Callable[..., Any]) -> None:
        self.build = build
        self.kinds = {name: one.annotation for name, one in inspect.signature(build).parameters.items()}
        self.compiled: dict[str, Any] = {}
        self.__doc__ = build.__doc__

    def made(self, connection: Any) -> Any:
        """Return what `compile` returned the first time. Two threads may compile at once: both get the same."""
        statement = self.compiled.get(connection.vendor)
        if statement is None:
            slots = [Argument(name, _field(kind)) for name, kind in self.kinds.items()]
            statement = self.compiled[connection.vendor] = self.compile(self.build(*slots), connection)
        return statement

    def compile(self, built: Any, connection: Any) -> Any:
        raise NotImplementedError

    def filled(self, parameters: Sequence[Any], given: tuple[Any, ...], connection: Any) -> tuple[Any, ...] | None:
        """Return the parameters with the arguments among them.

        None when one is a number that no column holds, so no row has it.
        """
        values = dict(zip(self.kinds, given, strict=True))
        if any(isinstance(value, int) and value not in WHOLE for value in given):
            return None
        return tuple([_adapted(one, values[one.name], connection) if isinstance(one, Placeholder) else one for one in parameters])  # fmt: skip


def _field(kind: Any) -> "models.Field[Any, Any]":
    """Return the field of a kind; of `int | None` that of `int`."""
    plain = [one for one in get_args(kind) if one is not NoneType] or [kind]
    return FIELDS[get_origin(plain[0]) or plain[0]]()


def _adapted(hole: Placeholder, value: Any, connection: Any) -> Any:
    return None if value is None else hole.field.get_db_prep_value(value, connection)


def _cursor(connection: Any) -> Any:
    """Return a cursor; on PostgreSQL one that prepares what it executes.

    The server parses and plans it once for each connection.
    """
    if connection.vendor != "postgresql":
        return connection.cursor()
    connection.ensure_connection()
    return connection._prepare_cursor(_preparing()(connection.connection))


@cache
def _preparing() -> Any:
    import psycopg  # only where it is the database's

    class PreparingCursor(psycopg.Cursor[Any]):
        def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
            return super().execute(query, params, **{**options, "prepare": True})

    return PreparingCursor


class _PreparedConnection:
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
        compiler.connection, compiler.as_sql = _PreparedConnection(connection), lambda: (sql, filled)
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


def prepared(build: "Callable[P, models.QuerySet[Any, T]]") -> Callable[P, list[T]]:
    """Return a function that returns a query set's rows for its arguments, which are positional.

    Arguments are of the kinds in `FIELDS`; None is compared with =, so it finds nothing.
    """
    return _Select(build)  # type: ignore[return-value]


def prepared_update(build: "Callable[P, tuple[models.QuerySet[Any, Any], dict[str, Any]]]") -> Callable[P, int]:
    """Return a function that runs an UPDATE of a query set for its arguments and returns the number of rows."""
    return _Update(build)  # type: ignore[return-value]
