"""Counts beside a list: of a whole dataset from its tallies, of a filter that leaves few records from those."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Sum

from atelier.accounts.models import Project, User
from curation import tallying
from curation.models import Dataset, Import, Mark, Record, Tally
from curation.models.datasets import RecordQuerySet
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


def counted(dataset: Dataset, records: RecordQuerySet, most: int) -> Counts:
    """The same counts of the first `most` records of a list, counted now."""
    columns = ("pk", "status", "split", "language", "words", "reviewed_by_id", "imported_by_id", "problem_count")
    found: Counter[tuple[str, str]] = Counter()
    pks = []
    for pk, status, split, language, words, reviewer, job, problems in records.order_by().values_list(*columns)[:most]:
        pks.append(pk)
        found.update((("status", status), ("split", split), ("length", bucket(words)), ("source", str(job or 0))))
        if language:
            found["language", language] += 1
        if reviewer:
            found["annotator", str(reviewer)] += 1
        if problems:
            found["problems", "some"] += 1
    for start in range(0, len(pks), 5000):
        marks = Mark.objects.filter(record__in=pks[start : start + 5000]).order_by()
        found.update(marks.values_list("kind", "value"))
    return dict(found)


def bucket(words: int) -> str:
    """Where the bucket of this length begins, as tallies write it."""
    return str(max(begin for begin in tallying.LENGTHS if begin <= words))


def shown(counts: Counts) -> list[Facet]:
    """The facets as a page lists them, each with its most frequent values; empty ones are left out."""
    by_facet: dict[str, list[tuple[str, int]]] = {}
    for (facet, value), number in counts.items():
        by_facet.setdefault(facet, []).append((value, number))
    made = [Facet(name, title, _values(name, by_facet.get(name, []))) for name, title in TITLES.items()]
    return [facet for facet in made if facet.values]


def _values(facet: str, found: list[tuple[str, int]]) -> list[Value]:
    found = sorted(found, key=lambda one: (-one[1], one[0]))[:SHOWN]
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
