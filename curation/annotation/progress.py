"""Progress of annotators: how much each did, how long it took, and how often they agreed with the final answers."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.db.models.functions import TruncDate
from django.utils import timezone

from atelier.accounts.models import Project, User
from curation.annotation import measures, settling
from curation.models import Annotation, Dataset, Task
from curation.scoring import statistics

State = Annotation.State
TIMED, COMPARED, DAYS = 2_000, 500, 30
DRAWN = 4  # people with bars of their own
TOLD_FROM = 5  # honeypots, before a person is told their own accuracy: one alone would be recognised


@dataclass
class AnnotatorProgress:
    """The progress figures of one annotator.

    Times are seconds; shares are 0 to 1, None without anything to compute them from.
    """

    user_id: int | None
    name: str
    done: int = 0
    skipped: int = 0
    returned: int = 0
    median: float | None = None
    p90: float | None = None
    agreed: int = 0
    compared: int = 0
    right: int = 0
    judged: int = 0

    @property
    def agreement(self) -> float | None:
        return self.agreed / self.compared if self.compared else None

    @property
    def accuracy(self) -> float | None:
        return self.right / self.judged if self.judged else None

    @property
    def interval(self) -> tuple[float, float] | None:
        if not self.judged:
            return None
        share = statistics.wilson(self.right, self.judged)
        return share.low, share.high


def _rows(project: Project, dataset: Dataset | None, user: User | None) -> QuerySet[Annotation]:
    rows = Annotation.objects.filter(task__queue__dataset__project=project)
    rows = rows.filter(task__queue__dataset=dataset) if dataset is not None else rows
    return rows.filter(user=user) if user is not None else rows


def people(project: Project, dataset: Dataset | None = None, user: User | None = None) -> list[AnnotatorProgress]:
    """Return the progress of everybody who answered, most first; with `user`, of that person only.

    Honeypot figures of a person alone are left out until there are some.
    """
    rows = _rows(project, dataset, user)
    counts = rows.order_by().values("user_id", "author").annotate(
        done=Count("pk", filter=Q(state=State.SUBMITTED)),
        skipped=Count("pk", filter=Q(state=State.SKIPPED)),
        returned=Count("pk", filter=Q(reviewed_at__isnull=False) & ~Q(review_note="") & ~Q(review=Annotation.Review.CORRECTED)),
        right=Count("pk", filter=Q(is_right=True)),
        judged=Count("pk", filter=Q(is_right__isnull=False)),
    )  # fmt: skip
    figures = [AnnotatorProgress(row["user_id"], row["author"], row["done"], row["skipped"], row["returned"], right=row["right"], judged=row["judged"]) for row in counts]  # fmt: skip
    for person in figures:
        own = rows.filter(user=person.user_id, author=person.name, state=State.SUBMITTED)
        person.median, person.p90 = spread(
            own.filter(seconds__gt=0).order_by("-submitted_at").values_list("seconds", flat=True)[:TIMED]
        )
        person.agreed, person.compared = _with_what_stands(own)
        if user is not None and person.judged < TOLD_FROM:
            person.right = person.judged = 0
    return sorted(
        (person for person in figures if person.done or person.skipped or person.returned),
        key=lambda person: (-person.done, person.name),
    )


def spread(seconds: Iterable[float]) -> tuple[float | None, float | None]:
    """Return the median and the 90th percentile, by nearest rank; None without values."""
    ordered = sorted(seconds)
    if not ordered:
        return None, None
    return ordered[(len(ordered) - 1) // 2], ordered[min(len(ordered) - 1, int(0.9 * len(ordered)))]


def _with_what_stands(own: QuerySet[Annotation]) -> tuple[int, int]:
    """Return how many of a person's last answers equal the final one, and how many were compared.

    Only records with several answers count.
    """
    settled = own.filter(task__state=Task.State.DONE, task__known__isnull=True, task__submitted__gt=1)
    kinds: dict[int, dict[str, str]] = {}
    agreed = compared = 0
    last = settled.select_related("task__queue__dataset").order_by("-submitted_at").only(
        "answers", "task__answers", "task__queue__tolerance", "task__queue__dataset"
    )  # fmt: skip
    for annotation in last[:COMPARED]:
        dataset = annotation.task.queue.dataset
        if dataset.pk not in kinds:
            kinds[dataset.pk] = settling.kinds(dataset)
        agreed += not measures.differing(
            kinds[dataset.pk], [annotation.task.answers, annotation.answers], annotation.task.queue.tolerance
        )
        compared += 1
    return agreed, compared


def chart(project: Project, dataset: Dataset | None = None, user: User | None = None) -> dict[str, Any]:
    """Return the chart of records submitted per day over the last 30 days, as `partials/chart.html` takes it.

    It has bars of those who did most and of the others.
    """
    today = timezone.localdate()
    since = timezone.now() - timedelta(days=DAYS)
    rows = _rows(project, dataset, user).filter(state=State.SUBMITTED, submitted_at__gte=since)
    lines: dict[str, dict[int, int]] = defaultdict(dict)
    for row in (
        rows.order_by().annotate(day=TruncDate("submitted_at")).values("day", "author").annotate(count=Count("pk"))
    ):
        lines[row["author"]][DAYS - 1 - (today - row["day"]).days] = row["count"]
    names = sorted(lines, key=lambda name: sum(lines[name].values()))
    groups = {"Others": names[:-DRAWN]} if len(names) > DRAWN else {}
    groups |= {name: [name] for name in names[-DRAWN:]}
    series = [
        {"name": name, "points": [[day, sum(lines[one].get(day, 0) for one in ones)] for day in range(DAYS)]}
        for name, ones in groups.items()
    ]
    days = [today - timedelta(days=DAYS - 1 - day) for day in range(DAYS)]
    labels = [f"{day.day} {day:%b}" for day in days]
    return {"y": "Records", "series": series, "labels": labels, "bars": True, "done": True}
