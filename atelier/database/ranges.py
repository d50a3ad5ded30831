"""Ranges of the numbers that people write: as CHECKs in the tables, and how existing rows are brought into them.

SQLite stores any number in any column, and Django then fails at each reading of one with too many digits: so the table
itself must refuse it.
"""

import logging
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import CheckConstraint, Q

log = logging.getLogger(__name__)
Number = int | float | Decimal


def between(name: str, least: Number, most: Number) -> CheckConstraint:
    """Return a CHECK that the column is from `least` to `most`, or null if the column may be."""
    return CheckConstraint(
        condition=Q(**{f"{name}__gte": least, f"{name}__lte": most}),
        name=f"%(app_label)s_%(class)s_{name}",
        violation_error_message=f"{name.capitalize().replace('_', ' ')}: from {least:,} to {most:,}.",
    )


@dataclass(frozen=True)
class Range:
    """The range of a column before it is checked: what is outside becomes the nearest end, or null when `is_nulled`."""

    table: str
    column: str
    least: Number
    most: Number
    is_nulled: bool = False
    line: int = 0  # characters of the table's column `line`, where a row says what became of it; 0 when it has none

    def heal(self, connection: BaseDatabaseWrapper) -> int:
        """Bring all rows into the range; each that has a line notes it there, and the log has their number.

        Returns how many.
        """
        column, is_sqlite = self.column, connection.vendor == "sqlite"
        number = f"typeof({column}) IN ('integer', 'real')" if is_sqlite else "TRUE"
        inside = f"({number} AND {column} BETWEEN {self.least} AND {self.most})"
        nearest = f"CASE WHEN {number} AND {column} > {self.most} THEN {self.most} ELSE {self.least} END"
        values = {column: "NULL" if self.is_nulled else nearest}
        if self.line:
            told = f" Its {column.strip(chr(34))} was out of range and was {'removed' if self.is_nulled else 'set to the nearest allowed value'}."
            values["line"] = f"substr(line, 1, {self.line - len(told)}) || '{told}'"
        changes = ", ".join(f"{name} = {value}" for name, value in values.items())
        with connection.cursor() as cursor:
            # Only names and numbers of this repository are in it.
            cursor.execute(f"UPDATE {self.table} SET {changes} WHERE {column} IS NOT NULL AND NOT {inside}")  # noqa: S608
            healed = cursor.rowcount
        if healed:
            log.warning("%s: %s of %s rows was out of range and was changed", self.table, column, healed)
        return healed


def healing(*ranges: Range) -> Any:
    """Return the function of a migration's RunPython, to be placed before the constraints."""

    def heal(apps: Any, editor: BaseDatabaseSchemaEditor) -> None:
        for each in ranges:
            each.heal(editor.connection)
        if editor.connection.vendor == "postgresql":
            # A row that was changed twice has its foreign keys looked at when the transaction ends; until then PostgreSQL
            # alters no such table.
            editor.execute("SET CONSTRAINTS ALL IMMEDIATE")

    return heal
