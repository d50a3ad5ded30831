"""Assignments of records to people, and their release when a person may no longer annotate in the team."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from atelier.accounts import members
from atelier.accounts.models import Membership, Role, User
from curation.annotation import queue as queues
from curation.models import Annotation, Assignment, Dataset, Queue, Task

State = Annotation.State
ABLE = [role for role in Role if role.covers(Role.ANNOTATOR)]
BATCH = 500
COUNTED = 1_000


def people(team_id: int) -> QuerySet[User]:
    """Return the people who can annotate in a team."""
    return User.objects.filter(memberships__team=team_id, memberships__role__in=ABLE).order_by("username")


def assign(dataset: Dataset, records: QuerySet, users: list[User], by: User | None, evenly: bool = True) -> int:
    """Assign records to people: evenly, each record to as many as it needs answers, or to all of them.

    Records that are not in the queue are added to it. Assigning again adds only what is missing. Nobody is assigned a
    record that they submitted or skipped. Returns the new assignments.
    """
    if not users:
        raise ValidationError("Choose at least one person.")
    queues.fill(dataset, records)
    queue, after, added = queues.of(dataset), 0, 0
    chosen = queue.tasks.filter(record__in=records.order_by().values("pk"), state=Task.State.OPEN, known__isnull=True)
    tasks = chosen.order_by("pk")
    while batch := list(tasks.filter(pk__gt=after)[:BATCH]):
        with transaction.atomic():
            # Asked anew for each batch: a record that is assigned to somebody who left would wait for ever.
            members.hold(dataset.project.team_id)
            able = set(people(dataset.project.team_id).values_list("pk", flat=True))
            added += _assign_batch(queue, batch, [user for user in users if user.pk in able], by, evenly)
        after = batch[-1].pk
    return added


def _assign_batch(queue: Queue, tasks: list[Task], users: list[User], by: User | None, evenly: bool) -> int:
    known, coming, holding = _who(tasks)
    loads = _loads(queue, users)
    rows = []
    for task in tasks:
        free = [user for user in users if user.pk not in known[task.pk]]
        missing = task.wanted - len(coming[task.pk]) if evenly else len(free)
        # Who has it on the screen already comes first: it would be answered beyond its overlap else.
        free.sort(key=lambda user: (user.pk not in holding[task.pk], loads[user.pk]))
        chosen = free[: max(missing, 0)]
        for user in chosen:
            loads[user.pk] += 1
            rows.append(Assignment(task=task, user=user, assigned_by=by))
        expected = len(coming[task.pk] | holding[task.pk] | {user.pk for user in chosen})
        if not evenly and expected > task.wanted:  # all of them are to answer it
            Task.objects.filter(pk=task.pk).update(wanted=expected)
    Assignment.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)


Who = dict[int, set[int | None]]


def _who(tasks: list[Task]) -> tuple[Who, Who, Who]:
    """Return by task the people to whom it cannot be assigned, those whose answers are there or will come, and who holds it."""
    known, coming, holding = Who(), Who(), Who()
    for each in (known, coming, holding):
        each.update({task.pk: set() for task in tasks})
    for task, user, done in Assignment.objects.filter(task__in=tasks).values_list("task_id", "user_id", "done"):
        known[task].add(user)
        if not done:
            coming[task].add(user)
    rows = Annotation.objects.filter(task__in=tasks).exclude(state=State.EXPIRED)
    for pk, task, user, state in rows.values_list("pk", "task_id", "user_id", "state"):
        person = user or -pk  # an answer whose author is nobody here counts as one person's, too
        if state == State.OPEN:
            holding[task].add(person)
        else:
            known[task].add(person)
        if state == State.SUBMITTED:
            coming[task].add(person)
    return known, coming, holding


def _loads(queue: Queue, users: list[User]) -> dict[int, int]:
    loads = dict.fromkeys([user.pk for user in users], 0)
    rows = Assignment.objects.filter(task__queue=queue, task__state=Task.State.OPEN, user__in=users, done=False)
    for user_id in rows.values_list("user_id", flat=True):
        loads[user_id] += 1
    return loads


def unassigned(queue: Queue) -> str:
    """Count the records that need more answers than people hold them or are assigned to them, up to a bound."""
    at_it = Annotation.objects.filter(task=OuterRef("task"), user=OuterRef("user"), state=State.OPEN)
    to_come = Assignment.objects.filter(~Exists(at_it), task=OuterRef("pk"), done=False).order_by()
    number = Subquery(to_come.values("task").annotate(number=Count("pk")).values("number"))
    tasks = queue.tasks.filter(state=Task.State.OPEN, known__isnull=True, record__deleted_at=None)
    short = tasks.alias(to_come=Coalesce(number, 0)).filter(wanted__gt=F("given") + F("to_come"))
    found = short.order_by()[: COUNTED + 1].values("pk").count()
    return f"{COUNTED:,}+" if found > COUNTED else f"{found:,}"


# --- when somebody goes ----------------------------------------------------------------------------


def give_up(team_id: int, user_id: int) -> None:
    """Release what a person holds in the team's queues and was assigned; their drafts and answers stay."""
    with transaction.atomic():
        members.hold(team_id)
        held = Annotation.objects.filter(task__queue__dataset__project__team=team_id, user=user_id, state=State.OPEN)
        for pk, task_id in held.select_for_update(of=("self",)).order_by("pk").values_list("pk", "task_id"):
            Annotation.objects.filter(pk=pk).update(state=State.EXPIRED, expires_at=None)
            queues.give_back(task_id)
        Assignment.objects.filter(task__queue__dataset__project__team=team_id, user=user_id, done=False).delete()


def on_change(instance: Membership, created: bool = False, **_: Any) -> None:
    """Release a person's records when a saved membership no longer lets them annotate."""
    if not created and instance.role not in ABLE:
        give_up(instance.team_id, instance.user_id)


def on_end(instance: Membership, **_: Any) -> None:
    """Release a person's records before their membership is deleted.

    Before, because the annotations of a deleted account have no author afterwards.
    """
    give_up(instance.team_id, instance.user_id)
