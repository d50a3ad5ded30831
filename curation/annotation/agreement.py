"""Inter-annotator agreement of a dataset: by question, by pair of people, by week; and the records they differ on most.

Only records that have all their answers count. Few answers are measured on request, many by a job.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import combinations
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from atelier.accounts.models import User
from atelier.jobs.claims import Claim
from atelier.jobs.models import Status
from atelier.jobs.once import once
from curation.annotation import measures
from curation.models import AgreementReport, Annotation, Dataset, Question, Task, Version

AT_ONCE = 2_000  # answers that are measured while somebody waits: about a third of a second
CHUNK = 2_000
WORST = 50  # records listed
MOST_TEXTS = 2_000  # of a text question so many records are compared word by word
MOST_PEOPLE = 30  # in the matrix: those who answered most
MOST_FROZEN = 50_000  # of a version so many answers are measured, so that a freeze needs no memory for all of them
Row = tuple[int, int, str, dict[str, Any], date]  # task, record, author, answers, week


@dataclass
class _QuestionAnswers:
    """The answers to one question, collected for the measures."""

    question: Question
    units: list[list[Any]] = field(default_factory=list)
    pairs: dict[tuple[str, str], list[tuple[Any, Any]]] = field(default_factory=lambda: defaultdict(list))
    weeks: dict[date, list[list[Any]]] = field(default_factory=lambda: defaultdict(list))


def answered(dataset: Dataset, since: date | None = None, until: date | None = None) -> QuerySet[Annotation]:
    """Return the answers to be measured: those of records with all their answers, submitted from one day to another, both
    included.
    """
    rows = Annotation.objects.filter(
        task__queue__dataset=dataset, state=Annotation.State.SUBMITTED, task__known__isnull=True
    )
    rows = rows.exclude(task__state=Task.State.OPEN).filter(task__submitted__gt=1)
    rows = rows.filter(submitted_at__date__gte=since) if since else rows
    return rows.filter(submitted_at__date__lte=until) if until else rows


def is_small(dataset: Dataset, since: date | None, until: date | None) -> bool:
    """Return whether the answers are few enough to be measured at once."""
    return answered(dataset, since, until).order_by()[: AT_ONCE + 1].values("pk").count() <= AT_ONCE


def figures(
    dataset: Dataset, since: date | None = None, until: date | None = None, seen: Callable[[int], None] | None = None
) -> dict[str, Any]:
    """Compute all agreement measures, as JSON. `seen` is called after each batch with the number of answers read."""
    return _figures(dataset, answered(dataset, since, until), seen)


def of_version(version: Version) -> dict[str, Any]:
    """Return how well people agreed on a version's records: answers, records, and each question's main measure.

    Empty if none had several answers.
    """
    rows = answered(version.dataset).filter(record__version_entries__version=version)
    last = rows.order_by("task_id", "pk").values_list("task_id", flat=True)[MOST_FROZEN : MOST_FROZEN + 1].first()
    measured = _figures(version.dataset, rows.filter(task_id__lt=last) if last else rows, None)
    if not measured["records"]:
        return {}
    return {
        "answers": measured["answers"],
        "records": measured["records"],
        "is_part": bool(last),
        "questions": [
            {"title": question["title"], "same": _value(question, "percent")}
            | next(measure for measure in question["measures"] if measure["name"] == question["main"])
            for question in measured["questions"]
        ],
    }


def _value(question: dict[str, Any], name: str) -> float | None:
    return next((measure["value"] for measure in question["measures"] if measure["name"] == name), None)


def _figures(dataset: Dataset, rows: QuerySet[Annotation], seen: Callable[[int], None] | None) -> dict[str, Any]:
    gathered = [
        _QuestionAnswers(question) for question in dataset.questions.all() if question.kind != Question.Kind.COMMENT
    ]
    worst: list[tuple[float, int, int, list[str]]] = []
    people: dict[str, int] = defaultdict(int)
    answers = units = 0
    for task in _tasks(rows, seen):
        answers += len(task)
        units += 1
        for row in task:
            people[row[2]] += 1
        if (difference := _gather(gathered, task)) is not None:
            worst.append(difference)
            if len(worst) > 20 * WORST:
                worst = sorted(worst)[:WORST]
    names = sorted(sorted(people, key=lambda name: -people[name])[:MOST_PEOPLE])
    questions = sorted((_measured(each, names) for each in gathered), key=_worst_first)
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
    """Yield each task's answers, for tasks with two answers at least."""
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


def _gather(gathered: list[_QuestionAnswers], task: list[Row]) -> tuple[float, int, int, list[str]] | None:
    """Add a task's answers to those of each question. Returns how far they agree, unless they agree wholly."""
    week = max(row[4] for row in task)
    shares, why = [], []
    for answers in gathered:
        name = answers.question.name
        authored = [(row[2], row[3][name]) for row in task if row[3].get(name) is not None]
        if len(authored) < 2:
            continue
        values = [value for _, value in authored]
        plain = [measures.comparable(answers.question.kind, value) for value in values]
        if answers.question.kind != Question.Kind.TEXT or len(answers.units) < MOST_TEXTS:
            answers.units.append(values)
        answers.weeks[week].append(plain)
        for (a, x), (b, y) in combinations(zip([author for author, _ in authored], plain, strict=True), 2):
            answers.pairs[(a, b) if a <= b else (b, a)].append((x, y) if a <= b else (y, x))
        share = measures.percent([plain]).value or 0.0
        shares.append(share)
        if share < 1:
            why.append(answers.question.title)
    if not why:
        return None
    return sum(shares) / len(shares), task[0][0], task[0][1], why


def _measured(answers: _QuestionAnswers, names: list[str]) -> dict[str, Any]:
    kind = answers.question.kind
    measured = measures.measures(kind, answers.units)
    has_kappa = kind in (Question.Kind.LABEL, Question.Kind.LABELS, Question.Kind.RATING)
    main = measures.MAIN[kind]
    return {
        "name": answers.question.name,
        "title": answers.question.title,
        "kind": kind,
        "main": main,
        "measures": [_as_json(name, measure) for name, measure in measured.items()],
        "pairs": [
            {
                "a": a,
                "b": b,
                "records": len(rows),
                "percent": measures.percent(rows).value,
                "kappa": measures.cohen(rows).value if has_kappa else None,
            }
            for (a, b), rows in sorted(answers.pairs.items())
            if a in names and b in names
        ],
        "weeks": [
            {"week": week.isoformat(), "records": len(units), "percent": measures.percent(units).value}
            for week, units in sorted(answers.weeks.items())
        ],
    }


def _as_json(name: str, measure: measures.Measure) -> dict[str, Any]:
    reads = name not in ("percent", "f1_exact", "f1_overlap", "words", "kendall")
    facts = {"value": measure.value, "records": measure.units, "note": measure.note}
    return {"name": name, "label": measures.NAMES[name], "reading": measure.reading if reads else "", **facts}


def _worst_first(question: dict[str, Any]) -> float:
    main = next(measure for measure in question["measures"] if measure["name"] == question["main"])
    return 2.0 if main["value"] is None else float(main["value"])


# --- as a job --------------------------------------------------------------------------------------


def begin(
    dataset: Dataset, user: User, since: date | None = None, until: date | None = None, *, key: str | None = None
) -> AgreementReport:
    """Queue an agreement report.

    The same idempotency key, or a report for these days that already waits, returns that report.
    """

    def make() -> AgreementReport:
        options: dict[str, Any] = {"dataset": dataset, "since": since, "until": until}
        waiting = AgreementReport.objects.filter(status=Status.QUEUED, **options)
        if not key and (found := waiting.order_by("pk").first()):
            return found
        return AgreementReport(project=dataset.project, created_by=user, queued_at=timezone.now(), **options)

    return once(dataset.project.agreementreports, key, make)


def last(dataset: Dataset, since: date | None, until: date | None) -> AgreementReport | None:
    """Return the newest agreement report for these days, whatever its status."""
    return AgreementReport.objects.filter(dataset=dataset, since=since, until=until).order_by("-pk").first()


def last_done(dataset: Dataset, since: date | None, until: date | None) -> AgreementReport | None:
    done = AgreementReport.objects.filter(dataset=dataset, since=since, until=until, status=Status.DONE)
    return done.order_by("-pk").first()


def run(claim: Claim[AgreementReport]) -> None:
    """Measure everything for an agreement report. A repeated attempt starts over: nothing is written before the end."""
    job = claim.job
    claim.progress(done=0, total=answered(job.dataset, job.since, job.until).count(), line="Reading the answers")

    measured = figures(job.dataset, job.since, job.until, seen=lambda number: claim.progress(done=number))
    line = f"{measured['answers']:,} answers to {measured['records']:,} records"
    claim.update(figures=measured, done=measured["answers"], total=measured["answers"], line=line)
