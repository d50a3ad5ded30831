"""Who is to answer what, and that nothing waits for somebody who went."""

import threading
from collections import Counter

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.urls import reverse
from django.utils import timezone

from atelier.accounts import members
from atelier.accounts.models import Membership, Project, Role, Team, User
from curation.annotation import answers, assignments, queue, review
from curation.models import Annotation, Assignment, Change, Dataset, Task
from tests.conftest import member, signed_in
from tests.curation.annotation.conftest import make_record


def submit(box, user):
    return answers.submit(queue.next_task(box, user), {"tone": "plain"})


def answered_by(box, user) -> list[int]:
    found = []
    while (given := queue.next_task(box, user)) is not None:
        found.append(answers.submit(given, {"tone": "plain"}).record_id)
    return found


# --- going -----------------------------------------------------------------------------------------


def made_viewer(user, team):
    members.set_role(user.memberships.get(team=team), "viewer")


def removed(user, team):
    members.set_role(user.memberships.get(team=team), None)


def account_deleted(user, team):
    user.delete()


def removed_on_the_page(user, team):
    owner = signed_in(team.memberships.get(role=Role.OWNER).user)
    address = reverse("change_member", args=[team.pk, user.memberships.get(team=team).pk])
    assert owner.post(address, {"role": "remove"}).status_code == 302


def made_viewer_on_the_page(user, team):
    owner = signed_in(team.memberships.get(role=Role.OWNER).user)
    address = reverse("change_member", args=[team.pk, user.memberships.get(team=team).pk])
    assert owner.post(address, {"role": "viewer"}).status_code == 302


WAYS = [made_viewer, removed, account_deleted, removed_on_the_page, made_viewer_on_the_page]


@pytest.mark.parametrize("go", WAYS)
def test_what_somebody_had_goes_to_others_when_they_go(team, waiting, chats, alice, ann, bob, go):
    """One record was sent back to Ann, one is on her screen, one is assigned to her, and one she has answered."""
    box = waiting(4)
    kept = submit(box, ann)
    returned = review.send_back(Annotation.objects.get(pk=submit(box, ann).pk), bob, "Calmer.")
    held = queue.next_task(box, ann, beside=returned.pk)
    answers.draft(held, {"tone": "loud"})
    last = chats.records.order_by("pk").last()
    assignments.assign(chats, chats.records.filter(pk=last.pk), [ann], bob)
    assert answered_by(box, bob) == []

    go(ann, team)

    assert sorted(answered_by(box, bob)) == sorted([returned.record_id, held.record_id, last.pk])
    assert set(box.tasks.values_list("state", "given", "submitted")) == {("done", 1, 1)}
    assert not Assignment.objects.filter(done=False).exists()
    hers = dict(Annotation.objects.filter(author="ann").values_list("pk", "state"))
    assert hers == {kept.pk: "submitted", returned.pk: "expired", held.pk: "expired"}
    assert Annotation.objects.get(pk=held.pk).answers == {"tone": "loud"}
    assert Annotation.objects.get(pk=returned.pk).review_note == "Calmer."


def test_of_several_answers_only_the_place_of_who_went_is_free(team, waiting, ann, bob, alice):
    box = waiting(1, overlap=2)
    first = submit(box, ann)
    submit(box, bob)
    review.send_back(Annotation.objects.get(pk=first.pk), bob, "Calmer.")
    assert Task.objects.values_list("given", "submitted", "state").get() == (2, 1, "open")
    removed(ann, team)
    assert Task.objects.values_list("given", "submitted", "state").get() == (1, 1, "open")
    submit(box, alice)
    assert Task.objects.values_list("given", "submitted", "state").get() == (2, 2, "done")


def test_finished_assignments_stay_and_going_twice_gives_nothing_back_twice(team, waiting, chats, ann, bob):
    box = waiting(2)
    assignments.assign(chats, chats.records.all(), [ann], bob)
    submit(box, ann)
    queue.next_task(box, ann)
    made_viewer(ann, team)
    removed(ann, team)
    assert list(Assignment.objects.values_list("user_id", "done")) == [(ann.pk, True)]
    assert sorted(box.tasks.values_list("given", "submitted")) == [(0, 0), (1, 1)]


def test_other_teams_and_other_roles_keep_what_they_have(team, waiting, chats, ann, bob, charlie):
    """Ann leaves Charlie's team: what she holds in Alice's stays hers. Bob, an annotator now, keeps his."""
    box = waiting(2)
    held = [queue.next_task(box, ann).pk, queue.next_task(box, bob).pk]
    theirs = Membership.objects.create(team=charlie.teams.get(), user=ann, role=Role.ANNOTATOR)
    members.set_role(theirs, None)
    members.set_role(bob.memberships.get(), "annotator")
    assert set(Annotation.objects.filter(pk__in=held).values_list("state", flat=True)) == {"open"}


def test_who_comes_back_finds_the_draft_and_holds_it_like_any(team, waiting, ann, bob):
    """A record that was sent back has no end of its lock; given anew it has one."""
    box = waiting(1)
    first = review.send_back(Annotation.objects.get(pk=submit(box, ann).pk), bob, "Calmer.")
    made_viewer(ann, team)
    members.set_role(ann.memberships.get(), "annotator")
    again = queue.next_task(box, ann)
    assert (again.pk, again.answers) == (first.pk, {"tone": "plain"})
    Annotation.objects.filter(pk=again.pk).update(expires_at=timezone.now())
    renewed = queue.next_task(box, ann)
    assert renewed.pk == first.pk
    assert renewed.expires_at > timezone.now()
    answers.submit(renewed, {"tone": "loud"})
    assert Task.objects.values_list("given", "submitted", "state").get() == (1, 1, "done")


@pytest.mark.parametrize("go", [made_viewer, removed])
def test_nothing_is_sent_back_to_somebody_who_cannot_answer(team, waiting, ann, bob, go):
    box = waiting(1)
    done = submit(box, ann)
    go(ann, team)
    with pytest.raises(ValidationError, match="ann can no longer annotate here"):
        review.send_back(Annotation.objects.get(pk=done.pk), bob, "Calmer.")
    assert Annotation.objects.get(pk=done.pk).state == "submitted"


@pytest.mark.django_db(transaction=True)
def test_who_goes_at_the_same_moment_is_sent_nothing_back(team, waiting, ann, bob):
    """Ann is made viewer, and before that is through somebody sends her answer back: that waits, and is refused."""
    box = waiting(1)
    done = Annotation.objects.get(pk=submit(box, ann).pk)
    said: list[str] = []

    def send() -> None:
        try:
            review.send_back(done, bob, "Calmer.")
        except ValidationError as error:
            said.extend(error.messages)
        finally:
            connection.close()

    other = threading.Thread(target=send)
    with transaction.atomic():
        made_viewer(ann, team)
        other.start()
        other.join(5)
        assert other.is_alive()
    other.join(20)
    assert said == ["ann can no longer annotate here. Correct the answer instead."]
    assert Annotation.objects.get(pk=done.pk).state == "submitted"


def test_a_whole_team_can_be_deleted_while_it_annotates(waiting, chats, ann, bob, team):
    box = waiting(2)
    queue.next_task(box, ann)
    assignments.assign(chats, chats.records.all(), [ann, bob], bob)
    team.delete()
    assert not Annotation.objects.exists()
    assert not Assignment.objects.exists()
    assert User.objects.filter(pk=ann.pk).exists()


# --- assigning -------------------------------------------------------------------------------------


def test_nobody_is_assigned_a_record_that_they_skipped(waiting, chats, ann, bob, alice):
    box = waiting(1, assigned_only=True)
    assert assignments.assign(chats, chats.records.all(), [ann], bob) == 1
    answers.skip(queue.next_task(box, ann), "not my language")
    assert assignments.assign(chats, chats.records.all(), [ann], bob) == 0
    assert assignments.assign(chats, chats.records.all(), [ann, alice], bob) == 1
    submit(box, alice)
    assert Task.objects.get().state == "done"


def test_answers_that_are_there_count_as_some_of_those_wanted(waiting, chats, ann, bob, alice):
    """Two are wanted and Ann's is there: one more person is assigned, and the queue ends."""
    box = waiting(1, overlap=2)
    submit(box, ann)
    assert assignments.assign(chats, chats.records.all(), [ann, bob, alice], bob) == 1
    assert not Assignment.objects.filter(user=ann).exists()
    submit(box, Assignment.objects.get().user)
    assert not Assignment.objects.filter(done=False).exists()
    assert Task.objects.values_list("wanted", "submitted", "state").get() == (2, 2, "done")


def test_whose_turn_it_cannot_be_does_not_spoil_the_even_shares(waiting, chats, ann, bob, alice):
    """Ann skipped half of the records: those go to the others, and the rest are shared so that each has as many."""
    box = waiting(6)
    for _ in range(3):
        answers.skip(queue.next_task(box, ann), "")
    assert assignments.assign(chats, chats.records.all(), [ann, bob], alice) == 6
    assert Counter(Assignment.objects.values_list("user__username", flat=True)) == {"ann": 3, "bob": 3}
    skipped = Annotation.objects.filter(user=ann, state="skipped").values("task")
    assert not Assignment.objects.filter(user=ann, task__in=skipped).exists()


def test_to_all_of_them_means_all_who_have_not_answered(waiting, chats, ann, bob, alice):
    box = waiting(1)
    answers.skip(queue.next_task(box, ann), "")
    assert assignments.assign(chats, chats.records.all(), [ann, bob, alice], bob, evenly=False) == 2
    assert Task.objects.get().wanted == 2
    submit(box, bob)
    submit(box, alice)
    assert Task.objects.get().state == "done"


def test_who_has_it_on_the_screen_is_assigned_it_first(waiting, chats, ann, bob):
    box = waiting(1)
    queue.next_task(box, bob)
    assignments.assign(chats, chats.records.all(), [ann, bob], bob)
    assert Assignment.objects.get().user == bob


def test_records_go_to_members_who_may_annotate_alone(team, waiting, chats, ann, bob, vic):
    """The list of people was made before one of them left."""
    waiting(2)
    removed(ann, team)
    assert assignments.assign(chats, chats.records.all(), [ann, vic, bob], bob) == 2
    assert set(Assignment.objects.values_list("user__username", flat=True)) == {"bob"}


def test_the_page_says_when_records_wait_for_nobody(team, waiting, chats, ann, bob, as_bob):
    box = waiting(3, assigned_only=True)
    page = reverse("curation:queue", args=[chats.project_id, chats.pk])
    assert "3 records need more answers" in as_bob.get(page).content.decode()
    assignments.assign(chats, chats.records.all(), [ann], bob)
    assert assignments.unassigned(box) == "0"
    queue.next_task(box, ann)
    assert assignments.unassigned(box) == "0"
    assert "more answers than people are assigned" not in as_bob.get(page).content.decode()
    submit(box, ann)
    submit(box, ann)
    made_viewer(ann, team)
    assert assignments.unassigned(box) == "1"
    assert "One record needs more answers" in as_bob.get(page).content.decode()
    assignments.assign(chats, chats.records.all(), [bob], bob)
    assert assignments.unassigned(box) == "0"


def test_a_bulk_assignment_of_people_who_went_says_so(team, waiting, chats, ann, bob):
    from atelier.jobs import claims
    from curation import bulk
    from curation.models import BulkAction
    from curation.search.filters import Filters

    waiting(1)
    job = bulk.begin(chats, bob, "assign", Filters(), options={"users": ["ann"], "evenly": True})
    made_viewer(ann, team)
    claims.execute(BulkAction, job.pk, bulk.run)
    job.refresh_from_db()
    assert (job.status, job.error) == ("failed", "None of these people can annotate in the team any longer.")
    assert not Assignment.objects.exists()
    assert not Change.objects.exists()


def test_an_account_in_two_teams_gives_back_in_both_when_it_is_deleted(waiting, ann, charlie):
    here = waiting(1)
    theirs = charlie.teams.get()
    Membership.objects.create(team=theirs, user=ann, role=Role.ANNOTATOR)
    project = Project.objects.create(team=theirs, name="Others", created_by=charlie)
    dataset = Dataset.objects.create(project=project, name="Chats", kind="conversations")
    make_record(dataset)
    queue.fill(dataset, dataset.records.all())
    there = queue.of(dataset)
    assert queue.next_task(here, ann)
    assert queue.next_task(there, ann)
    ann.delete()
    assert set(Task.objects.values_list("given", flat=True)) == {0}
    assert queue.next_task(there, charlie)
    assert queue.next_task(here, member(Team.objects.get(name="Plain Desk"), "dora", Role.ANNOTATOR))
