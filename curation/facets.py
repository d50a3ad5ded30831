"""Counts beside a list: of a whole dataset from its tallies, of a filter that leaves few records from those."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Sum

from atelier.accounts.models import Project, User
from curation import tallying
from curation.models import Dataset, Import, Record, Tally
from curation.query import written

SHOWN = 12  # values of one facet; the rest is found by typing
TITLES = {
    "status": "Status", "split": "Split", "label": "Label", "language": "Language", "length": "Length in words",
    "problem": "Problems", "annotator": "Reviewed by", "source": "Source",
}  # fmt: skip
Counts = dict[tuple[str, str], int]  # (facet, value): records


@dataclass(frozen=True)
class Value:
    """One line of a facet: what it is called, how many, and the condition that finds it."""

    text: str
    count: int
    term: str


@dataclass(frozen=True)
class Facet:
    name: str
    title: str
    values: list[Value]


def count(dataset: Dataset, facet: str, value: str) -> int:
    """Present records with this value."""
    found = Tally.objects.filter(dataset=dataset, facet=facet, value=value).aggregate(sum=Sum("count"))
    return int(found["sum"] or 0)


def tallies(dataset: Dataset) -> Counts:
    """Every count that is kept of a dataset."""
    rows = Tally.objects.filter(dataset=dataset).order_by().values_list("facet", "value").annotate(sum=Sum("count"))
    return {(facet, value): int(found) for facet, value, found in rows if found}


def by_status(datasets: Iterable[int] | None = None, project: Project | None = None) -> dict[int, Counter[str]]:
    """{dataset: {status: present records}} of some datasets, or of all of a project. One query."""
    rows = Tally.objects.filter(facet="status")
    rows = rows.filter(dataset__project=project) if project is not None else rows.filter(dataset__in=datasets or [])
    found: dict[int, Counter[str]] = {}
    for dataset, status, sum_ in rows.order_by().values_list("dataset_id", "value").annotate(sum=Sum("count")):
        found.setdefault(dataset, Counter())[status] = sum_
    return found


class Row(NamedTuple):
    """What lists count and sort by, of one record. `changed_at` is a time, or the text in which SQLite keeps it."""

    id: int
    status: str
    split: str
    language: str
    words: int
    changed_at: datetime | str
    reviewed_by_id: int | None
    imported_by_id: int | None
    problem_count: int


def rows(dataset: Dataset, pks: Sequence[int], deleted: bool = False) -> list[Row]:
    """Of these records of the dataset. One index has all of it, of present records: SQLite is told so, for it would fetch each
    record instead.
    """
    index = "INDEXED BY listed_by_id" if connection.vendor == "sqlite" and not deleted else ""
    sql = f"SELECT {', '.join(Row._fields)} FROM curation_record {index}"  # noqa: S608
    there = f"deleted_at IS {'NOT NULL' if deleted else 'NULL'} AND id"
    with connection.cursor() as cursor:
        cursor.execute(f"{sql} WHERE dataset_id = %s AND {there} {_among()}", [dataset.pk, _listed(pks)])
        return [Row._make(values) for values in cursor.fetchall()]


def _among() -> str:
    """The condition of being one of many ids, given as one parameter: thousands of them take longer than the query."""
    return "IN (SELECT value FROM json_each(%s))" if connection.vendor == "sqlite" else "= ANY(%s)"


def _listed(pks: Sequence[int]) -> Any:
    return json.dumps(list(pks)) if connection.vendor == "sqlite" else list(pks)


def counted(rows: Sequence[Row]) -> Counts:
    """The same counts of some records, counted now."""
    found: Counter[tuple[str, str]] = Counter()
    if not rows:
        return found
    ids, statuses, splits, languages, words, _, reviewers, imports, _ = zip(*rows, strict=True)
    for facet, values in (("status", statuses), ("split", splits), ("language", languages)):
        found.update({(facet, str(value)): number for value, number in Counter(values).items() if value})
    for length, number in Counter(words).items():
        found["length", bucket(length)] += number
    found.update({("annotator", str(value)): number for value, number in Counter(reviewers).items() if value})
    found.update({("source", str(value or 0)): number for value, number in Counter(imports).items()})
    with connection.cursor() as cursor:
        sql = f"SELECT kind, value, count(*) FROM curation_mark WHERE record_id {_among()} GROUP BY kind, value"  # noqa: S608
        cursor.execute(sql, [_listed(ids)])
        found.update({(kind, value): number for kind, value, number in cursor.fetchall()})
    return found


def bucket(words: int) -> str:
    """Where the bucket of this length begins, as tallies write it."""
    return str(max(begin for begin in tallying.LENGTHS if begin <= words))


def shown(counts: Counts, most: int = SHOWN) -> list[Facet]:
    """The facets as a page lists them, each with its most frequent values; empty ones are left out."""
    by_facet: dict[str, list[tuple[str, int]]] = {}
    for (facet, value), number in counts.items():
        by_facet.setdefault(facet, []).append((value, number))
    made = [Facet(name, title, _values(name, by_facet.get(name, []), most)) for name, title in TITLES.items()]
    return [facet for facet in made if facet.values]


def _values(facet: str, found: list[tuple[str, int]], most: int) -> list[Value]:
    found = sorted(found, key=lambda one: (-one[1], one[0]))[:most]
    if facet == "length":
        return [_length(int(value), number) for value, number in sorted(found, key=lambda one: int(one[0]))]
    if facet == "annotator":
        names = dict(User.objects.filter(pk__in=[value for value, _ in found]).values_list("pk", "username"))
        return [Value(names[int(pk)], n, written("by", names[int(pk)])) for pk, n in found if int(pk) in names]
    if facet == "source":
        files = dict(Import.objects.filter(pk__in=[value for value, _ in found]).values_list("pk", "original_name"))
        return [
            Value(files.get(int(pk)) or f"import {pk}", n, f"source:{pk}") if int(pk)
            else Value("not imported", n, "source:none")
            for pk, n in found
        ]  # fmt: skip
    labels = dict(Record.Status.choices) if facet == "status" else {}
    return [Value(str(labels.get(value, value)), number, written(facet, value)) for value, number in found]


def _length(begin: int, number: int) -> Value:
    place = tallying.LENGTHS.index(begin)
    if place + 1 == len(tallying.LENGTHS):
        return Value(f"{begin:,} and more", number, f"words:>={begin}")
    end = tallying.LENGTHS[place + 1] - 1
    return Value(str(begin) if begin == end else f"{begin:,} to {end:,}", number, f"words:{begin}..{end}")
