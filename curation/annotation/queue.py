"""The annotation queue of a dataset: what is in it, how it is filled, and who gets which record next.

A record that was handed out is an open annotation, which is a lock until it expires. `Task.given` counts open and
submitted ones and only ever rises by a conditional update, so no record is given beyond its overlap whatever happens at
once.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, Exists, F, OuterRef, QuerySet
from django.utils import timezone

from atelier.accounts.models import User
from atelier.database.prepared import prepared, prepared_update
from curation.models import Annotation, Assignment, Dataset, Queue, Task

State = Annotation.State
Pick = Callable[[Queue, User], Task | None]
AHEAD = 2  # records a person may hold: the one on screen and the one that was fetched ahead
BATCH = 5_000
EXPIRED_AT_ONCE = 100
COUNTED = 1_000  # what is left is counted so far
TRIES = 5


def of(dataset: Dataset) -> Queue:
    """Return the dataset's queue, created if there is none yet."""
    return Queue.objects.get_or_create(dataset=dataset, defaults={"is_open": True})[0]


# --- filling ---------------------------------------------------------------------------------------


def fill(dataset: Dataset, records: QuerySet) -> int:
    """Add these records to the queue; those already in it stay unchanged. Returns how many were added.

    By INSERT … SELECT in short transactions, so that others need not wait; repeated after a stop, it adds what is
    missing.
    """
    queue, after, added = of(dataset), 0, 0
    records = records.filter(dataset=dataset, deleted_at=None).order_by("pk")
    while True:
        pks = records.filter(pk__gt=after).values(chosen_id=F("pk"))[:BATCH]
        window = [row["chosen_id"] for row in pks]
        if not window:
            return added
        added += _insert(queue, pks, window[-1])
        after = window[-1]


def _insert(queue: Queue, pks: QuerySet, last: int) -> int:
    inner, parameters = pks.query.sql_with_params()
    json = "'{}'::jsonb" if connection.vendor == "postgresql" else "'{}'"
    sql = f"""INSERT INTO curation_task (queue_id, record_id, place, wanted, given, submitted, state, answers, settled_note)
        SELECT %s, chosen.chosen_id, {place(queue)}, %s, 0, 0, 'open', {json}, '' FROM ({inner}) AS chosen
        WHERE chosen.chosen_id <= %s ON CONFLICT (record_id) DO NOTHING"""  # noqa: S608 - only our own words are put in
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, [queue.pk, queue.overlap, *parameters, last])
        return max(cursor.rowcount, 0)


def place(queue: Queue, column: str = "chosen.chosen_id") -> str:
    """Return the SQL of a record's place in the queue."""
    if queue.order == Queue.Order.OLDEST:
        return column
    if connection.vendor == "postgresql":
        return "floor(random() * 9007199254740992)::bigint"
    return "random() & 9007199254740991"


# --- giving ----------------------------------------------------------------------------------------


def mine(queue: Queue, user: User) -> list[Annotation]:
    """Return what the person holds in this queue: what was sent back to them, then the rest in the order it was given."""
    return sorted(_held(queue.pk, user.pk), key=lambda one: one.review != Annotation.Review.RETURNED)


@prepared
def _held(queue: int, user: int) -> QuerySet[Annotation]:
    held = Annotation.objects.filter(task__queue=queue, user=user, state=State.OPEN, record__deleted_at=None)
    return held.select_related("record", "task").order_by("pk")


def next_task(queue: Queue, user: User, *, beside: int | None = None, pick: Pick | None = None) -> Annotation | None:
    """Return the record that the person answers next, as an open annotation; None when nothing waits for them.

    What they already hold comes first. With `beside`, the id of the one on screen, another than that, loaded ahead.
    `pick` may name a task to slip in (a honeypot); it gets its place like any other.
    """
    annotation, is_late = _next(queue, user, beside, pick)
    # Looked for on the way, freed when it costs nobody's time, at the latest when there is nothing else.
    if is_late and free_expired(queue) and annotation is None:
        annotation, _ = _next(queue, user, beside, pick)
    return annotation


def _next(queue: Queue, user: User, beside: int | None, pick: Pick | None) -> tuple[Annotation | None, bool]:
    """Return the next annotation, and whether somebody in the queue has held one for too long."""
    with transaction.atomic():
        is_late, has_own = _turn(queue, user)
        held = mine(queue, user)
        for annotation in held:
            if annotation.pk != beside:
                return renew(queue, annotation), is_late
        if len(held) >= AHEAD or not queue.is_open:
            return None, is_late
        return _given(queue, user, pick, has_own), is_late


def _turn(queue: Queue, user: User) -> tuple[bool, bool]:
    """Lock the person's turn, so that their requests run one by one, in a single statement.

    Returns whether anything is held too long and whether the person has assignments.
    """
    turn = next(iter(_turns(queue.pk, user.pk, timezone.now())), None)
    if turn is None:
        raise User.DoesNotExist("The account was deleted just now.")
    return turn


@prepared
def _turns(queue: int, user: int, now: datetime) -> "QuerySet[User, tuple[bool, bool]]":
    late = Annotation.objects.filter(task__queue=queue, state=State.OPEN, expires_at__lt=now)
    own = Assignment.objects.filter(task__queue=queue, user=user, done=False)
    # NO KEY, so that rows that point to the user can still be written.
    row = User.objects.filter(pk=user).select_for_update(no_key=True).order_by()
    return row.values_list(Exists(late), Exists(own))


def _given(queue: Queue, user: User, pick: Pick | None, has_own: bool) -> Annotation | None:
    task = pick(queue, user) if pick is not None else None
    if task is not None and take(task):
        return _hold(queue, task, user)
    for _ in range(TRIES):
        task = waiting(queue, user, has_own)
        if task is None:
            return None
        if take(task):
            return _hold(queue, task, user)
    return None


def open_tasks(queue: int, user: int) -> QuerySet[Task]:
    """Return the tasks that have a place for this person and that they have not answered. Both are given by their ids."""
    seen = Annotation.objects.filter(task=OuterRef("pk"), user=user).exclude(state=State.EXPIRED)
    tasks = Task.objects.filter(queue=queue, state=Task.State.OPEN, given__lt=F("wanted"), known__isnull=True)
    return tasks.filter(~Exists(seen), record__deleted_at=None)


def waiting(queue: Queue, user: User, has_own: bool = True) -> Task | None:
    """Return the task that is next for the person, locked where the database can; None if there is none.

    `has_own` is False when it is known that nothing is assigned to them.
    """
    own = _next_assigned(queue.pk, user.pk) if has_own else []
    found = own if own or queue.assigned_only else _next_free(queue.pk, user.pk)
    return found[0] if found else None


@prepared
def _next_assigned(queue: int, user: int) -> QuerySet[Task]:
    return _lockable(queue, user).filter(Exists(_standing().filter(user=user)))[:1]


@prepared
def _next_free(queue: int, user: int) -> QuerySet[Task]:
    return _lockable(queue, user).filter(~Exists(_standing()))[:1]


def _standing() -> QuerySet[Assignment]:
    return Assignment.objects.filter(task=OuterRef("pk"), done=False)


def _lockable(queue: int, user: int) -> QuerySet[Task]:
    theirs = Annotation.objects.filter(task=OuterRef("pk"), user=user)
    tasks = open_tasks(queue, user).select_related("record").order_by("place", "pk")
    return tasks.annotate(was_theirs=Exists(theirs)).select_for_update(skip_locked=_skips(), of=("self",))


def _skips() -> bool:
    return connection.features.has_select_for_update_skip_locked


def take(task: Task) -> bool:
    """Take one place of the task; return False if somebody else took the last."""
    return bool(_take(task.pk))


@prepared_update
def _take(task: int) -> tuple[QuerySet[Task], dict[str, Any]]:
    places = Task.objects.filter(pk=task, state=Task.State.OPEN, given__lt=F("wanted"))
    return places, {"given": F("given") + 1}


def _hold(queue: Queue, task: Task, user: User) -> Annotation:
    """Open the person's annotation; an expired one of theirs is reopened with its draft."""
    held = {"state": State.OPEN, "expires_at": _until(queue), "record_revision": task.record.revision}
    # The person's row is locked, so nobody makes this one meanwhile. A picked task does not tell whether it was theirs.
    again = getattr(task, "was_theirs", True)
    if again and Annotation.objects.filter(task=task, user=user).update(**held):
        annotation = Annotation.objects.get(task=task, user=user)
    else:
        annotation = Annotation.objects.create(
            task=task, user=user, record_id=task.record_id, author=user.username, **held
        )
    annotation.task, annotation.record = task, task.record
    return annotation


def _until(queue: Queue) -> datetime:
    return timezone.now() + timedelta(minutes=queue.lock_minutes)


def renew(queue: Queue, annotation: Annotation) -> Annotation:
    """Extend the lock of an annotation; while most of it is left, nothing is written. What was sent back has no lock."""
    if annotation.expires_at is None and annotation.review == Annotation.Review.RETURNED:
        return annotation
    until = _until(queue)
    fresh = (
        annotation.expires_at is not None and until - annotation.expires_at < timedelta(minutes=queue.lock_minutes) / 4
    )
    if not fresh:
        annotation.expires_at = until
        Annotation.objects.filter(pk=annotation.pk, state=State.OPEN).update(expires_at=until)
    return annotation


def retake(queue: Queue, annotation: Annotation) -> bool:
    """Hold a record again whose lock expired; return False if its place was given to somebody else."""
    if annotation.state == State.OPEN:
        return True
    if annotation.state != State.EXPIRED:
        return False
    with transaction.atomic():
        expired = Annotation.objects.filter(pk=annotation.pk, state=State.EXPIRED)
        if not expired.select_for_update().exists() or not take(annotation.task):
            return False
        expired.update(state=State.OPEN, expires_at=_until(queue))
    annotation.state = State.OPEN
    return True


def _late(queue: Queue) -> QuerySet[Annotation]:
    return Annotation.objects.filter(task__queue=queue, state=State.OPEN, expires_at__lt=timezone.now())


def free_expired(queue: Queue) -> int:
    """Release annotations that were held too long; the drafts stay. Returns how many places became free."""
    with transaction.atomic():
        rows = _late(queue).select_for_update(skip_locked=_skips(), of=("self",)).order_by("pk")
        freed = list(rows.values_list("pk", "task_id")[:EXPIRED_AT_ONCE])
        for pk, task_id in freed:
            if Annotation.objects.filter(pk=pk, state=State.OPEN).update(state=State.EXPIRED, expires_at=None):
                give_back(task_id)
    return len(freed)


def give_back(task_id: int) -> None:
    """Free one place of a task."""
    Task.objects.filter(pk=task_id, given__gt=0).update(given=F("given") - 1)


# --- how far ---------------------------------------------------------------------------------------


def today(queue: Queue, user: User) -> int:
    """Count the records that the person submitted in this queue since midnight."""
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    done = Annotation.objects.filter(user=user, state=State.SUBMITTED, submitted_at__gte=midnight, task__queue=queue)
    return done.count()


def left(queue: Queue, user: User) -> str:
    """Count the records that wait for the person, those they hold included, up to a bound."""
    standing = _standing()
    others = Exists(standing.exclude(user=user)) & ~Exists(standing.filter(user=user))
    tasks = open_tasks(queue.pk, user.pk)
    tasks = tasks.filter(Exists(standing.filter(user=user))) if queue.assigned_only else tasks.filter(~others)
    found = tasks.order_by()[: COUNTED + 1].values("pk").count() if queue.is_open else 0
    found += Annotation.objects.filter(task__queue=queue, user=user, state=State.OPEN).count()
    return f"{COUNTED:,}+" if found > COUNTED else f"{found:,}"


def counts(queue: Queue) -> dict[str, int]:
    """Count the queue's tasks by state and in total; honeypots are left out."""
    found = dict(queue.tasks.filter(known__isnull=True).order_by().values_list("state").annotate(Count("pk")))
    return {"all": sum(found.values()), **{state: found.get(state, 0) for state in Task.State.values}}
