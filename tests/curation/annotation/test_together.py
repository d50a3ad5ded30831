"""Disagreements, reviewing, honeypots, progress and comments, below the pages."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from curation.annotation import (
    adjudication,
    agreement,
    answers,
    comments,
    honeypots,
    progress,
    questions,
    queue,
    review,
    settling,
)
from curation.models import Annotation, Mention, Record, Task
from tests.curation.annotation.conftest import TEXT, make_record


def submit(box, user, **given):
    annotation = queue.next_task(box, user)
    answers.submit(annotation, given, 1)
    return annotation


@pytest.fixture
def texts(chats):
    return questions.create(chats, title="Text", kind="text", options={"piece": "answer"})


def test_answers_that_differ_in_white_space_agree(waiting, texts, ann, bob):
    box = waiting(1, overlap=2)
    submit(box, ann, tone="plain", text=TEXT)
    submit(box, bob, tone="plain", text=TEXT.replace(" ", "  "))
    assert Task.objects.get().state == Task.State.DONE


@pytest.mark.parametrize(("tolerance", "state"), [(1, "disputed"), (0.8, "done")])
def test_texts_agree_from_the_queues_tolerance_on(waiting, texts, ann, bob, tolerance, state):
    box = waiting(1, overlap=2, tolerance=tolerance)
    submit(box, ann, tone="plain", text=TEXT)
    submit(box, bob, tone="plain", text=TEXT + " Yes.")
    assert Task.objects.get().state == state


def test_two_editors_cannot_settle_the_same_at_once(waiting, ann, bob, alice):
    box = waiting(1, overlap=2)
    submit(box, ann, tone="plain")
    submit(box, bob, tone="loud")
    first, second = Task.objects.get(), Task.objects.get()
    adjudication.decide(first, alice, {"tone": "loud"}, "")
    with pytest.raises(ValidationError, match="alice has already decided this record"):
        adjudication.decide(second, bob, {"tone": "plain"}, "")
    assert Record.objects.get().labels == ["loud"]


def test_a_decision_is_not_taken_back_over_somebody_elses_change(waiting, ann, bob, alice):
    from curation.records import changes

    box = waiting(1, overlap=2)
    submit(box, ann, tone="plain")
    submit(box, bob, tone="loud")
    task = adjudication.decide(Task.objects.get(), alice, {"tone": "loud"}, "")
    changes.change(Record.objects.get(), bob, "edit", labels=["mine"])
    with pytest.raises(ValidationError, match="The record has changed since"):
        adjudication.reopen(task, alice)
    assert Record.objects.get().labels == ["mine"]
    assert Task.objects.get().state == Task.State.DONE


def test_what_is_sent_back_does_not_expire_and_stands_when_it_comes_again(waiting, ann, bob):
    box = waiting(2)
    first = submit(box, ann, tone="loud")
    assert Record.objects.get(pk=first.record_id).labels == ["loud"]
    review.send_back(Annotation.objects.get(pk=first.pk), bob, "Calmer.")
    assert Record.objects.get(pk=first.record_id).labels == []
    assert Mention.objects.get().user == ann
    again = queue.next_task(box, ann)
    assert (again.pk, again.expires_at, again.review_note) == (first.pk, None, "Calmer.")
    assert queue.free_expired(box) == 0
    assert queue.next_task(box, bob).record_id != first.record_id
    answers.submit(again, {"tone": "plain"}, 1)
    task = Task.objects.get(record=first.record_id)
    assert (task.state, task.given, task.submitted) == ("done", 1, 1)
    assert Annotation.objects.get(pk=first.pk).review == ""
    review.accept(Annotation.objects.get(pk=first.pk), bob)
    assert progress.people(box.dataset.project, box.dataset)[0].returned == 1
    assert Record.objects.get(pk=first.record_id).labels == ["plain"]


def test_imported_answers_cannot_be_sent_back(waiting, ann, bob):
    annotation = submit(waiting(1), ann, tone="loud")
    Annotation.objects.update(user=None)
    with pytest.raises(ValidationError, match="This answer was imported"):
        review.send_back(Annotation.objects.get(pk=annotation.pk), bob, "x")


def test_answers_of_records_that_want_more_are_not_reviewed(waiting, chats, ann):
    submit(waiting(1, overlap=2), ann, tone="loud")
    assert not review.waiting(chats).exists()


# --- honeypots ---


@pytest.fixture
def trapped(waiting, chats):
    """A queue of records with some honeypots whose tone is plain."""

    def build(count: int = 30, tests: int = 8, **settings):
        pots = [make_record(chats, 1000 + n).pk for n in range(tests)]
        box = waiting(0, honeypot_rate=0.5, **settings)
        honeypots.mark(chats, [{"record": pk, "answers": {"tone": "plain"}} for pk in pots])
        for n in range(count):
            make_record(chats, n)
        queue.fill(chats, chats.records.all())
        return box

    return build


def test_honeypots_are_mixed_in_judged_and_never_stand(trapped, chats, ann, bob):
    box = trapped()
    for user in (ann, bob):
        for _ in range(20):
            annotation = queue.next_task(box, user, pick=honeypots.pick)
            if annotation is not None:
                answers.submit(annotation, {"tone": "plain" if user == ann else "loud"}, 1)
    judged = Annotation.objects.filter(is_right__isnull=False)
    assert 4 <= judged.filter(user=ann).count() <= 8
    assert set(judged.filter(user=ann).values_list("is_right", flat=True)) == {True}
    assert set(judged.filter(user=bob).values_list("is_right", flat=True)) == {False}
    tests = Task.objects.filter(known__isnull=False)
    assert {(task.state, str(task.answers), str(task.record.labels)) for task in tests} == {("open", "{}", "[]")}
    assert not agreement.answered(chats).filter(task__known__isnull=False).exists()
    assert queue.counts(box)["all"] == 30
    people = {one.name: one for one in progress.people(chats.project, chats)}
    assert (people["ann"].accuracy, people["bob"].accuracy) == (1.0, 0.0)
    low, high = people["ann"].interval
    assert 0 < low < high == 1


def test_a_rate_of_nought_gives_none(trapped, ann):
    box = trapped(10)
    box.honeypot_rate = 0
    box.save()
    for _ in range(10):
        answers.submit(queue.next_task(box, ann, pick=honeypots.pick), {"tone": "plain"})
    assert not Annotation.objects.filter(is_right__isnull=False).exists()


def test_no_honeypot_comes_when_nothing_else_waits(trapped, ann):
    box = trapped(0)
    assert all(queue.next_task(box, ann, pick=honeypots.pick) is None for _ in range(20))


def test_other_settings_do_not_turn_honeypots_into_records(trapped, chats, ann):
    from curation.annotation import queue_settings

    box = trapped(3)
    queue_settings.change(box, overlap=2)
    queue_settings.change(box, overlap=1)
    assert set(box.tasks.filter(known__isnull=False).values_list("wanted", flat=True)) == {honeypots.ALWAYS}
    task = box.tasks.filter(known__isnull=False).first()
    with pytest.raises(ValidationError, match="is a control question"):
        adjudication.decide(task, ann, {"tone": "loud"}, "", again=True)


def test_an_answered_honeypot_is_only_given_no_more(trapped, chats, ann):
    box = trapped(3)
    used, unused = box.tasks.filter(known__isnull=False)[:2]
    queue.take(used)
    answers.submit(queue._hold(box, used, ann), {"tone": "loud"})
    for task in (used, unused):
        honeypots.retire(task)
    used.refresh_from_db()
    unused.refresh_from_db()
    assert (used.state, used.known, used.answers, used.record.labels) == ("done", {"tone": "plain"}, {}, [])
    assert (unused.state, unused.known, unused.wanted) == ("open", None, 1)
    settling.settle_filled(box)
    assert Record.objects.get(pk=used.record_id).labels == []


def test_a_person_alone_is_not_told_of_one_honeypot(trapped, chats, ann):
    box = trapped(3)
    task = box.tasks.filter(known__isnull=False).first()
    queue.take(task)
    answers.submit(queue._hold(box, task, ann), {"tone": "loud"})
    assert progress.people(chats.project, chats, ann)[0].accuracy is None
    assert progress.people(chats.project, chats)[0].accuracy == 0


def test_known_answers_are_checked_like_any(chats, tone):
    record = make_record(chats, 1)
    for wrong in ({"tone": "red"}, {}, {"nothing": 1}):
        with pytest.raises(ValidationError, match="Row 0"):
            honeypots.mark(chats, [{"record": record.pk, "answers": wrong}])
    with pytest.raises(ValidationError, match="is not in this dataset"):
        honeypots.mark(chats, [{"record": 10**9, "answers": {"tone": "loud"}}])
    assert not Task.objects.exists()


# --- progress, agreement ---


def test_progress_counts_what_each_did(waiting, chats, ann, bob, alice):
    box = waiting(3, overlap=2)
    for user, tones in ((ann, ["plain", "plain", "loud"]), (bob, ["plain", "loud"])):
        for tone in tones:
            submit(box, user, tone=tone)
    answers.skip(queue.next_task(box, bob), "no")
    Annotation.objects.filter(state="submitted").update(seconds=10)
    Annotation.objects.filter(user=ann, answers={"tone": "loud"}).update(seconds=100)
    adjudication.decide(adjudication.disputed(chats).get(), alice, {"tone": "plain"}, "")
    found = {one.name: one for one in progress.people(chats.project, chats)}
    assert (found["ann"].done, found["ann"].median, found["ann"].p90) == (3, 10, 100)
    assert (found["bob"].done, found["bob"].skipped) == (2, 1)
    assert (found["ann"].agreement, found["bob"].agreement) == (1.0, 0.5)
    chart = progress.chart(chats.project, chats)
    assert {line["name"]: line["points"][-1] for line in chart["series"]} == {"ann": [29, 3], "bob": [29, 2]}
    today = timezone.localdate()
    assert (len(chart["labels"]), chart["labels"][-1]) == (30, f"{today.day} {today:%b}")


def test_agreement_goes_by_week_and_by_day(waiting, chats, ann, bob):
    box = waiting(2, overlap=2)
    for user, tones in ((ann, ["plain", "plain"]), (bob, ["plain", "loud"])):
        for tone in tones:
            submit(box, user, tone=tone)
    old = Task.objects.order_by("pk").first()
    Annotation.objects.filter(task=old).update(submitted_at=timezone.now() - timedelta(days=14))
    found = agreement.figures(chats)
    assert [week["percent"] for week in found["questions"][0]["weeks"]] == [1.0, 0.0]
    assert [one["questions"] for one in found["worst"]] == [["Tone"]]
    today = timezone.localdate()
    assert agreement.figures(chats, since=today)["records"] == 1
    assert agreement.figures(chats, until=today - timedelta(days=7))["records"] == 1


# --- comments ---


def test_comments_of_others_are_hidden_until_one_has_answered_blind(waiting, chats, ann, bob, vic):
    box = waiting(1, overlap=2)
    record = Record.objects.get()
    comments.post(record, bob, "It is loud, @ann.")
    mention = Mention.objects.get()
    assert comments.is_blind(record, ann, _role(ann))
    assert not comments.thread(record, ann, _role(ann)).exists()
    assert comments.text_for(mention, ann, _role(ann)) == ""
    assert comments.thread(record, bob, _role(bob), annotating=True).count() == 1  # one's own
    assert comments.is_blind(record, bob, _role(bob), annotating=True)
    assert not comments.is_blind(record, bob, _role(bob))
    assert not comments.is_blind(record, vic, _role(vic))
    submit(box, ann, tone="plain")
    assert comments.thread(record, ann, _role(ann)).count() == 1
    assert comments.text_for(mention, ann, _role(ann)) == "It is loud, @ann."


def _role(user):
    from atelier.accounts.models import Role

    return Role(user.memberships.get().role)


def test_honeypots_hide_comments_no_more_than_others(trapped, chats, ann):
    box = trapped(1)
    for task in box.tasks.all():
        assert not comments.is_blind(task.record, ann, _role(ann), annotating=True)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("@bob, look", {"bob"}), ("see @BOB.", {"bob"}), ("mail x@bob.org", set()), ("@charlie", set()), ("@ann @bob", {"bob"}),
        ("no names", set()),
    ],
)  # fmt: skip
def test_members_who_are_named_are_told_and_nobody_else(chats, ann, bob, charlie, text, told):
    comments.post(make_record(chats, 1), ann, text)
    assert set(Mention.objects.values_list("user__username", flat=True)) == told


@pytest.mark.parametrize("text", ["", "  ", "x" * 5001, "a\x00b"])
def test_what_is_no_comment_is_refused(chats, ann, text):
    with pytest.raises(ValidationError):
        comments.post(make_record(chats, 1), ann, text)


def test_answers_to_honeypots_change_nothing_of_the_record(trapped, chats, ann):
    box = trapped(2)
    task = box.tasks.filter(known__isnull=False).first()
    queue.take(task)
    before = Record.objects.values("content_hash", "labels", "revision").get(pk=task.record_id)
    answers.submit(queue._hold(box, task, ann), {"tone": "loud"})
    assert Record.objects.values("content_hash", "labels", "revision").get(pk=task.record_id) == before
    assert not task.record.changes.exists()
