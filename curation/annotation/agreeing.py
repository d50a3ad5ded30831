"""How well the people of a dataset agree: by question, by pair of people, by week; and the records they differ on most.

Only records that have all their answers count. Few answers are measured when somebody looks, many by a job.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import combinations
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from atelier.accounts.models import User
from atelier.jobs.claims import Claim
from atelier.jobs.models import Status
from curation.annotation import agreement
from curation.models import AgreementReport, Annotation, Dataset, Question, Task, Version

AT_ONCE = 2_000  # answers that are measured while somebody waits: about a third of a second
CHUNK = 2_000
WORST = 50  # records listed
MOST_TEXTS = 2_000  # of a text question so many records are compared word by word
MOST_PEOPLE = 30  # in the matrix: those who answered most
MOST_FROZEN = 50_000  # of a version so many answers are measured, so that a freeze needs no memory for all of them
Row = tuple[int, int, str, dict[str, Any], date]  # task, record, author, answers, week


@dataclass
class _Asked:
    """What is gathered of one question."""

    question: Question
    units: list[list[Any]] = field(default_factory=list)
    pairs: dict[tuple[str, str], list[tuple[Any, Any]]] = field(default_factory=lambda: defaultdict(list))
    weeks: dict[date, list[list[Any]]] = field(default_factory=lambda: defaultdict(list))


def answered(dataset: Dataset, since: date | None = None, until: date | None = None) -> QuerySet[Annotation]:
    """The answers that are measured: submitted from one day to another, both included, of records with all their answers."""
    rows = Annotation.objects.filter(
        task__queue__dataset=dataset, state=Annotation.State.SUBMITTED, task__known__isnull=True
    )
    rows = rows.exclude(task__state=Task.State.OPEN).filter(task__submitted__gt=1)
    rows = rows.filter(submitted_at__date__gte=since) if since else rows
    return rows.filter(submitted_at__date__lte=until) if until else rows


def is_small(dataset: Dataset, since: date | None, until: date | None) -> bool:
    """Whether the answers are so few that they can be measured at once."""
    return answered(dataset, since, until).order_by()[: AT_ONCE + 1].values("pk").count() <= AT_ONCE


def figures(
    dataset: Dataset, since: date | None = None, until: date | None = None, seen: Callable[[int], None] | None = None
) -> dict[str, Any]:
    """All measures, as JSON. `seen` hears after each bunch of answers how many were read."""
    return _figures(dataset, answered(dataset, since, until), seen)


def of_version(version: Version) -> dict[str, Any]:
    """How well people agreed on the records of a version: answers, records, and per question its main measure. Empty where nobody could."""
    rows = answered(version.dataset).filter(record__version_entries__version=version)
    last = rows.order_by("task_id", "pk").values_list("task_id", flat=True)[MOST_FROZEN : MOST_FROZEN + 1].first()
    found = _figures(version.dataset, rows.filter(task_id__lt=last) if last else rows, None)
    if not found["records"]:
        return {}
    return {
        "answers": found["answers"],
        "records": found["records"],
        "is_part": bool(last),
        "questions": [
            {"title": question["title"], "same": _value(question, "percent")}
            | next(one for one in question["measures"] if one["name"] == question["main"])
            for question in found["questions"]
        ],
    }


def _value(question: dict[str, Any], name: str) -> float | None:
    return next((one["value"] for one in question["measures"] if one["name"] == name), None)


def _figures(dataset: Dataset, rows: QuerySet[Annotation], seen: Callable[[int], None] | None) -> dict[str, Any]:
    asked = [_Asked(question) for question in dataset.questions.all() if question.kind != Question.Kind.COMMENT]
    worst: list[tuple[float, int, int, list[str]]] = []
    people: dict[str, int] = defaultdict(int)
    answers = units = 0
    for task in _tasks(rows, seen):
        answers += len(task)
        units += 1
        for row in task:
            people[row[2]] += 1
        if (found := _gather(asked, task)) is not None:
            worst.append(found)
            if len(worst) > 20 * WORST:
                worst = sorted(worst)[:WORST]
    names = sorted(sorted(people, key=lambda name: -people[name])[:MOST_PEOPLE])
    questions = sorted((_measured(one, names) for one in asked), key=_worst_first)
    return {
        "answers": answers,
        "records": units,
        "people": names,
        "questions": questions,
        "worst": [
            {"share": share, "task": pk, "record": record, "questions": why}
            for share, pk, record, why in sorted(worst)[:WORST]
        ],
    }


def _tasks(rows: QuerySet[Annotation], seen: Callable[[int], None] | None) -> Iterator[list[Row]]:
    """The answers of one task after the other, where there are two at least."""
    columns = rows.order_by("task_id", "pk").values_list("task_id", "record_id", "author", "answers", "submitted_at")
    task: list[Row] = []
    for number, (pk, record, author, answers, at) in enumerate(columns.iterator(chunk_size=CHUNK), 1):
        if task and task[0][0] != pk:
            if len(task) > 1:
                yield task
            task = []
        day = timezone.localdate(at)
        task.append((pk, record, author, answers, day - timedelta(days=day.weekday())))
        if seen is not None and number % CHUNK == 0:
            seen(number)
    if len(task) > 1:
        yield task


def _gather(asked: list[_Asked], task: list[Row]) -> tuple[float, int, int, list[str]] | None:
    """Put the answers of a task where they belong. Returns how far they agree, when they do not wholly."""
    week = max(row[4] for row in task)
    shares, why = [], []
    for one in asked:
        name = one.question.name
        said = [(row[2], row[3][name]) for row in task if row[3].get(name) is not None]
        if len(said) < 2:
            continue
        values = [value for _, value in said]
        plain = [agreement.comparable(one.question.kind, value) for value in values]
        if one.question.kind != Question.Kind.TEXT or len(one.units) < MOST_TEXTS:
            one.units.append(values)
        one.weeks[week].append(plain)
        for (a, x), (b, y) in combinations(zip([author for author, _ in said], plain, strict=True), 2):
            one.pairs[(a, b) if a <= b else (b, a)].append((x, y) if a <= b else (y, x))
        share = agreement.percent([plain]).value or 0.0
        shares.append(share)
        if share < 1:
            why.append(one.question.title)
    if not why:
        return None
    return sum(shares) / len(shares), task[0][0], task[0][1], why


def _measured(one: _Asked, names: list[str]) -> dict[str, Any]:
    kind = one.question.kind
    found = agreement.measures(kind, one.units)
    has_kappa = kind in (Question.Kind.LABEL, Question.Kind.LABELS, Question.Kind.RATING)
    main = agreement.MAIN[kind]
    return {
        "name": one.question.name,
        "title": one.question.title,
        "kind": kind,
        "main": main,
        "measures": [_as_json(name, measure) for name, measure in found.items()],
        "pairs": [
            {
                "a": a,
                "b": b,
                "records": len(rows),
                "percent": agreement.percent(rows).value,
                "kappa": agreement.cohen(rows).value if has_kappa else None,
            }
            for (a, b), rows in sorted(one.pairs.items())
            if a in names and b in names
        ],
        "weeks": [
            {"week": week.isoformat(), "records": len(units), "percent": agreement.percent(units).value}
            for week, units in sorted(one.weeks.items())
        ],
    }


def _as_json(name: str, measure: agreement.Measure) -> dict[str, Any]:
    reads = name not in ("percent", "f1_exact", "f1_overlap", "words", "kendall")
    facts = {"value": measure.value, "records": measure.units, "note": measure.note}
    return {"name": name, "label": agreement.NAMES[name], "reading": measure.reading if reads else "", **facts}


def _worst_first(question: dict[str, Any]) -> float:
    main = next(one for one in question["measures"] if one["name"] == question["main"])
    return 2.0 if main["value"] is None else float(main["value"])


# --- as a job --------------------------------------------------------------------------------------


def begin(
    dataset: Dataset, user: User, since: date | None = None, until: date | None = None, *, key: str | None = None
) -> AgreementReport:
    """A queued report. The same idempotency key, or one for these days that waits already, gives that report again."""
    again = {"project": dataset.project, "idempotency_key": key}
    if key and (found := AgreementReport.objects.filter(**again).first()):
        return found
    waiting = AgreementReport.objects.filter(dataset=dataset, since=since, until=until, status=Status.QUEUED)
    if not key and (found := waiting.order_by("pk").first()):
        return found
    try:
        with transaction.atomic():
            return AgreementReport.objects.create(
                dataset=dataset, created_by=user, since=since, until=until, queued_at=timezone.now(), **again
            )
    except IntegrityError:  # the same key at the same moment
        return AgreementReport.objects.get(**again)


def last(dataset: Dataset, since: date | None, until: date | None) -> AgreementReport | None:
    """The newest report for these days, whatever became of it."""
    return AgreementReport.objects.filter(dataset=dataset, since=since, until=until).order_by("-pk").first()


def last_done(dataset: Dataset, since: date | None, until: date | None) -> AgreementReport | None:
    done = AgreementReport.objects.filter(dataset=dataset, since=since, until=until, status=Status.DONE)
    return done.order_by("-pk").first()


def run(claim: Claim[AgreementReport]) -> None:
    """Measure everything. A repeated attempt begins anew: nothing is written before the end."""
    job = claim.job
    claim.progress(done=0, total=answered(job.dataset, job.since, job.until).count(), line="Reading the answers")

    found = figures(job.dataset, job.since, job.until, seen=lambda number: claim.progress(done=number))
    line = f"{found['answers']:,} answers to {found['records']:,} records"
    claim.update(figures=found, done=found["answers"], total=found["answers"], line=line)
