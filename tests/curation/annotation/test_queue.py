"""Who gets which record: nothing twice, nothing beyond its overlap, nothing lost when somebody leaves."""

import threading
from collections import Counter
from datetime import timedelta

import pytest
from django.db import OperationalError, connection, connections
from django.utils import timezone

from atelier.accounts.models import Role, User
from curation.annotation import answers, assignments, queue, queue_settings
from curation.models import Annotation, Assignment, Task
from curation.search.filters import Filters
from tests.conftest import member
from tests.curation.annotation.conftest import make_record


def expire(annotation):
    Annotation.objects.filter(pk=annotation.pk).update(expires_at=timezone.now() - timedelta(seconds=1))


def test_the_oldest_record_comes_first_and_none_twice_to_one_person(waiting, ann):
    box, seen = waiting(3), []
    while (given := queue.next_task(box, ann)) is not None:
        seen.append(given.record_id)
        answers.submit(given, {"tone": "plain"})
    assert seen == sorted(seen)
    assert len(set(seen)) == 3
    assert set(box.tasks.values_list("state", "given", "submitted")) == {("done", 1, 1)}


def test_what_one_holds_is_given_again_and_not_to_others(waiting, ann, bob):
    box = waiting(2)
    first = queue.next_task(box, ann)
    assert queue.next_task(box, ann).pk == first.pk
    assert queue.next_task(box, bob).record_id != first.record_id


def test_one_record_is_fetched_ahead_and_no_more(waiting, ann):
    box = waiting(5)
    first = queue.next_task(box, ann)
    ahead = queue.next_task(box, ann, beside=first.pk)
    assert ahead.pk != first.pk
    assert queue.next_task(box, ann, beside=first.pk).pk == ahead.pk
    assert Annotation.objects.filter(user=ann).count() == 2


def test_each_record_goes_to_as_many_as_its_overlap(waiting, ann, bob, alice):
    box = waiting(1, overlap=2)
    assert queue.next_task(box, ann) is not None
    assert queue.next_task(box, bob) is not None
    assert queue.next_task(box, alice) is None


def test_an_expired_lock_frees_the_place_and_keeps_the_draft(waiting, ann, bob):
    box = waiting(1)
    held = queue.next_task(box, ann)
    answers.draft(held, {"tone": "loud"})
    expire(held)
    other = queue.next_task(box, bob)
    assert other.record_id == held.record_id
    held.refresh_from_db()
    assert (held.state, held.answers) == ("expired", {"tone": "loud"})
    assert Task.objects.get().given == 1


def test_an_expired_record_may_come_back_to_the_same_person_with_the_draft(waiting, ann):
    box = waiting(1)
    held = queue.next_task(box, ann)
    answers.draft(held, {"tone": "loud"})
    expire(held)
    again = queue.next_task(box, ann)
    assert (again.pk, again.state, again.answers) == (held.pk, "open", {"tone": "loud"})
    assert Task.objects.get().given == 1


def test_who_comes_back_too_late_is_told_and_nothing_is_given_twice(waiting, ann, bob):
    box = waiting(1)
    held = queue.next_task(box, ann)
    expire(held)
    answers.submit(queue.next_task(box, bob), {"tone": "plain"})
    held.refresh_from_db()
    with pytest.raises(answers.LockLost):
        answers.submit(held, {"tone": "loud"})
    held.refresh_from_db()
    assert (held.state, held.answers) == ("expired", {"tone": "loud"})
    assert Task.objects.get().submitted == 1


def test_a_skipped_record_goes_to_somebody_else(waiting, ann, bob):
    box = waiting(1)
    answers.skip(queue.next_task(box, ann), "not my language")
    assert queue.next_task(box, ann) is None
    assert queue.next_task(box, bob) is not None


def test_a_closed_queue_gives_nothing_new_but_what_is_held(waiting, ann, bob):
    box = waiting(2)
    held = queue.next_task(box, ann)
    queue_settings.change(box, is_open=False)
    assert queue.next_task(box, ann).pk == held.pk
    assert queue.next_task(box, bob) is None


def test_a_deleted_record_is_not_given(waiting, chats, ann):
    box = waiting(1)
    chats.records.update(deleted_at=timezone.now())
    assert queue.next_task(box, ann) is None


def test_filling_again_doubles_nothing_and_takes_what_the_filter_matches(waiting, chats):
    box = waiting(3)
    assert queue.fill(chats, chats.records.all()) == 0
    make_record(chats, 8, status="accepted")
    make_record(chats, 9)
    assert queue.fill(chats, Filters(status="accepted").records(chats)) == 1
    assert box.tasks.count() == 4


def test_filling_goes_on_beyond_one_batch(waiting, chats, monkeypatch):
    monkeypatch.setattr(queue, "BATCH", 2)
    assert waiting(5).tasks.count() == 5


def test_a_shuffled_queue_is_not_in_order_of_ids(waiting, chats):
    box = waiting(40, order="shuffled")
    order = list(box.tasks.order_by("place").values_list("record_id", flat=True))
    assert order != sorted(order)
    queue_settings.change(box, order="oldest")
    order = list(box.tasks.order_by("place").values_list("record_id", flat=True))
    assert order == sorted(order)


def test_assigned_records_come_first_and_only_to_their_person(waiting, chats, ann, bob):
    box = waiting(3)
    last = chats.records.order_by("pk").last()
    assert assignments.assign(chats, chats.records.filter(pk=last.pk), [ann], bob) == 1
    assert queue.next_task(box, ann).record_id == last.pk
    given = [answers.submit(queue.next_task(box, bob), {"tone": "plain"}).record_id for _ in range(2)]
    assert last.pk not in given
    assert queue.next_task(box, bob) is None


def test_assigned_only_gives_nothing_else(waiting, chats, ann, bob):
    box = waiting(2, assigned_only=True)
    assert queue.next_task(box, ann) is None
    assignments.assign(chats, chats.records.filter(fields__brief="brief 1"), [ann], bob)
    assert queue.next_task(box, ann) is not None
    assert queue.left(box, ann) == "1"


def test_assigning_evenly_shares_alike_and_doing_it_again_adds_nothing(waiting, chats, ann, bob, alice):
    waiting(9, overlap=2)
    people = [ann, bob, alice]
    assert assignments.assign(chats, chats.records.all(), people, bob) == 18
    assert assignments.assign(chats, chats.records.all(), people, bob) == 0
    assert set(Counter(Assignment.objects.values_list("user_id", flat=True)).values()) == {6}


def test_assigning_to_all_asks_for_all_answers(waiting, chats, ann, bob, alice):
    waiting(2)
    assert assignments.assign(chats, chats.records.all(), [ann, bob, alice], bob, evenly=False) == 6
    assert set(Task.objects.values_list("wanted", flat=True)) == {3}


def test_a_lower_overlap_settles_what_has_enough_answers(waiting, ann):
    box = waiting(1, overlap=2)
    answers.submit(queue.next_task(box, ann), {"tone": "loud"})
    assert Task.objects.get().state == "open"
    queue_settings.change(box, overlap=1)
    task = Task.objects.select_related("record").get()
    assert (task.state, task.record.labels) == ("done", ["loud"])


def test_a_honeypot_that_is_picked_is_held_like_any_record(waiting, ann):
    box = waiting(2)
    trap = box.tasks.last()
    Task.objects.filter(pk=trap.pk).update(known={"tone": "plain"})
    given = queue.next_task(box, ann, pick=lambda _queue, _user: Task.objects.select_related("record").get(pk=trap.pk))
    assert given.task_id == trap.pk
    assert answers.submit(given, {"tone": "loud"}).is_right is False
    assert Task.objects.get(pk=trap.pk).record.labels == []


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_fifty_people_at_once_get_every_record_exactly_its_overlap(team, waiting):
    records = 300 if connection.vendor == "postgresql" else 60  # one writer at a time: fewer show the same
    box = waiting(records, overlap=2)
    people = [member(team, f"person-{n}", Role.ANNOTATOR) for n in range(50)]
    errors = race(box, people)
    assert errors == []
    assert set(box.tasks.values_list("given", "submitted", "state")) == {(2, 2, "done")}
    given = Counter(Annotation.objects.filter(state="submitted").values_list("record_id", flat=True))
    assert len(given) == records
    assert set(given.values()) == {2}


def again(call, *args, **more):
    """Repeat a call that waited 20 seconds in vain: SQLite has one writer, and is not fair among fifty that wait."""
    try:
        return call(*args, **more)
    except OperationalError as error:
        if "database is locked" not in str(error):
            raise
        return call(*args, **more)


def race(box, people: list[User]) -> list[str]:
    """Let each person answer until nothing waits, all at once. Returns what went wrong."""
    errors: list[str] = []
    barrier = threading.Barrier(len(people))

    def work(user: User) -> None:
        try:
            barrier.wait()
            while (given := again(queue.next_task, box, user)) is not None:
                again(queue.next_task, box, user, beside=given.pk)
                again(answers.submit, given, {"tone": "plain"})
        except Exception as error:
            errors.append(f"{type(error).__name__}: {error}")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=[user]) for user in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    connection.close()
    return errors
