"""Facet counts beside a list: of a whole dataset from its tallies, of a filter that leaves few records from those."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.db import connection
from django.db.models import Sum

from atelier.accounts.models import Project, User
from curation.models import Dataset, Import, Record, Tally
from curation.search import tally_sql
from curation.search.dialect import dialect
from curation.search.query import written

SHOWN = 12  # values of one facet; the rest is found by typing
TITLES = {
    "status": "Status", "split": "Split", "label": "Label", "language": "Language", "length": "Length in words",
    "problem": "Problems", "annotator": "Reviewed by", "source": "Source",
}  # fmt: skip
Counts = dict[tuple[str, str], int]  # (facet, value): records


@dataclass(frozen=True)
class FacetValue:
    """A line of a facet: its name, its count, and the condition that finds its records."""

    text: str
    count: int
    term: str


@dataclass(frozen=True)
class Facet:
    name: str
    title: str
    values: list[FacetValue]


def count(dataset: Dataset, facet: str, value: str) -> int:
    """Count the present records with this value."""
    found = Tally.objects.filter(dataset=dataset, facet=facet, value=value).aggregate(sum=Sum("count"))
    return int(found["sum"] or 0)


def tallies(dataset: Dataset) -> Counts:
    """Return every stored count of a dataset."""
    rows = Tally.objects.filter(dataset=dataset).order_by().values_list("facet", "value").annotate(sum=Sum("count"))
    return {(facet, value): int(found) for facet, value, found in rows if found}


def by_status(datasets: Iterable[int] | None = None, project: Project | None = None) -> dict[int, Counter[str]]:
    """Return {dataset: {status: present records}} of some datasets, or of all of a project. One query."""
    rows = Tally.objects.filter(facet="status")
    rows = rows.filter(dataset__project=project) if project is not None else rows.filter(dataset__in=datasets or [])
    counts: dict[int, Counter[str]] = {}
    for dataset, status, sum_ in rows.order_by().values_list("dataset_id", "value").annotate(sum=Sum("count")):
        counts.setdefault(dataset, Counter())[status] = sum_
    return counts


class FacetRow(NamedTuple):
    """The values of one record that lists count and sort by. `changed_at` is a time, or the text in which SQLite stores it."""

    id: int
    status: str
    split: str
    language: str
    words: int
    changed_at: datetime | str
    reviewed_by_id: int | None
    imported_by_id: int | None
    problem_count: int


def rows(dataset: Dataset, pks: Sequence[int], deleted: bool = False) -> list[FacetRow]:
    """Return the facet rows of these records of the dataset.

    One index covers all of it, for present records: SQLite is pointed to it, for it would load each record instead.
    """
    index = "" if deleted else dialect.LISTED_BY_ID
    sql = f"SELECT {', '.join(FacetRow._fields)} FROM curation_record {index}"  # noqa: S608
    there = f"deleted_at IS {'NOT NULL' if deleted else 'NULL'} AND id"
    with connection.cursor() as cursor:
        cursor.execute(f"{sql} WHERE dataset_id = %s AND {there} {dialect.AMONG}", [dataset.pk, dialect.listed(pks)])
        return [FacetRow._make(values) for values in cursor.fetchall()]


def counted(rows: Sequence[FacetRow]) -> Counts:
    """Count the facets of some records now, in the form of the stored tallies."""
    counts: Counter[tuple[str, str]] = Counter()
    if not rows:
        return counts
    ids, statuses, splits, languages, words, _, reviewers, imports, _ = zip(*rows, strict=True)
    for facet, values in (("status", statuses), ("split", splits), ("language", languages)):
        counts.update({(facet, str(value)): number for value, number in Counter(values).items() if value})
    for length, number in Counter(words).items():
        counts["length", bucket(length)] += number
    counts.update({("annotator", str(value)): number for value, number in Counter(reviewers).items() if value})
    counts.update({("source", str(value or 0)): number for value, number in Counter(imports).items()})
    with connection.cursor() as cursor:
        sql = f"SELECT kind, value, count(*) FROM curation_mark WHERE record_id {dialect.AMONG} GROUP BY kind, value"  # noqa: S608
        cursor.execute(sql, [dialect.listed(ids)])
        counts.update({(kind, value): number for kind, value, number in cursor.fetchall()})
    return counts


def bucket(words: int) -> str:
    """Return where the bucket of this length begins, as tallies write it."""
    return str(max(begin for begin in tally_sql.LENGTHS if begin <= words))


def shown(counts: Counts, most: int = SHOWN) -> list[Facet]:
    """Return the facets as a page lists them, each with its most frequent values; empty ones are left out."""
    by_facet: dict[str, list[tuple[str, int]]] = {}
    for (facet, value), number in counts.items():
        by_facet.setdefault(facet, []).append((value, number))
    made = [Facet(name, title, _values(name, by_facet.get(name, []), most)) for name, title in TITLES.items()]
    return [facet for facet in made if facet.values]


def _values(facet: str, counts: list[tuple[str, int]], most: int) -> list[FacetValue]:
    counts = sorted(counts, key=lambda one: (-one[1], one[0]))[:most]
    if facet == "length":
        return [_length(int(value), number) for value, number in sorted(counts, key=lambda one: int(one[0]))]
    if facet == "annotator":
        names = dict(User.objects.filter(pk__in=[value for value, _ in counts]).values_list("pk", "username"))
        return [FacetValue(names[int(pk)], n, written("by", names[int(pk)])) for pk, n in counts if int(pk) in names]
    if facet == "source":
        files = dict(Import.objects.filter(pk__in=[value for value, _ in counts]).values_list("pk", "original_name"))
        return [
            FacetValue(files.get(int(pk)) or f"import {pk}", n, f"source:{pk}") if int(pk)
            else FacetValue("not imported", n, "source:none")
            for pk, n in counts
        ]  # fmt: skip
    labels = dict(Record.Status.choices) if facet == "status" else {}
    return [FacetValue(str(labels.get(value, value)), number, written(facet, value)) for value, number in counts]


def _length(begin: int, number: int) -> FacetValue:
    place = tally_sql.LENGTHS.index(begin)
    if place + 1 == len(tally_sql.LENGTHS):
        return FacetValue(f"{begin:,} or more", number, f"words:>={begin}")
    end = tally_sql.LENGTHS[place + 1] - 1
    return FacetValue(str(begin) if begin == end else f"{begin:,} to {end:,}", number, f"words:{begin}..{end}")
