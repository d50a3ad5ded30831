"""Votes, what they add up to, and the preferences they become."""

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from atelier.accounts.models import Role
from curation.scoring import statistics
from inference.comparisons import records, turns, visibility, votes
from inference.models import Endpoint, Vote
from tests.inference.asking import comparing, said

URL = "http://127.0.0.1:9/v1"


@pytest.fixture
def found(project, alice):
    return comparing(project, alice, URL)


def fresh(turn):
    return turns.with_replies(turn.comparison.turns.filter(pk=turn.pk)).get()


def test_voting_again_changes_the_vote(found, alice):
    turn = said(found, alice)
    left, right = turns.latest(turn)
    votes.cast(turn, alice, "side", left)
    votes.cast(turn, alice, "side", right)
    assert Vote.objects.get().winner == right
    votes.cast(turn, alice, "bad")
    assert (Vote.objects.get().verdict, Vote.objects.get().winner) == ("bad", None)


def test_each_person_has_one_vote_and_can_take_it_back(found, alice, bob):
    turn = said(found, alice)
    votes.cast(turn, alice, "tie")
    votes.cast(turn, bob, "bad")
    assert votes.withdraw(turn, alice)
    assert not votes.withdraw(turn, alice)
    assert list(Vote.objects.values_list("user", flat=True)) == [bob.pk]


def test_a_vote_waits_for_every_answer(found, alice):
    turn = turns.say(found, alice, "Hello?")
    with pytest.raises(ValidationError, match="every answer is complete"):
        votes.cast(turn, alice, "tie")


def test_a_vote_names_an_answer_that_is_shown(found, alice):
    turn = said(found, alice)
    old = turns.latest(turn)[0]
    turns.regenerate(old)
    turn.replies.update(state="done")
    for winner in (old, None):
        with pytest.raises(ValidationError, match="which of the shown answers"):
            votes.cast(turn, alice, "side", winner)
    with pytest.raises(ValidationError, match="A vote must be one of"):
        votes.cast(turn, alice, "best")


def test_names_are_hidden_until_the_vote_for_each_person(project, alice, bob):
    found = comparing(project, alice, URL, blind=True)
    turn = fresh(said(found, alice))
    assert votes.names_hidden(turn, alice)
    assert {one.name for one in visibility.show(turn, alice, Role.EDITOR, True).answers} == {""}
    votes.cast(turn, alice, "tie")
    turn = fresh(turn)
    assert not votes.names_hidden(turn, alice)
    assert votes.names_hidden(turn, bob)
    assert Vote.objects.get().blind


def test_a_vote_changed_after_the_names_were_seen_is_not_blind(project, alice):
    turn = said(comparing(project, alice, URL, blind=True), alice)
    votes.cast(turn, alice, "tie")
    votes.cast(turn, alice, "tie")
    assert Vote.objects.get().blind
    votes.cast(turn, alice, "bad")
    assert not Vote.objects.get().blind


def test_blind_turns_are_shuffled_one_by_one_and_others_are_not(project, alice):
    found = comparing(project, alice, URL, count=4, blind=True)
    orders = {tuple(said(found, alice, f"Turn {n}").order) for n in range(12)}
    assert len(orders) > 1
    assert all(sorted(order) == [0, 1, 2, 3] for order in orders)
    # The numbers of the replies follow the order shown, and so do not tell who is who.
    turn = found.turns.last()
    assert [reply.pk for reply in turns.latest(turn)] == sorted(turn.replies.values_list("pk", flat=True))


def test_the_tally_counts_won_lost_tied_and_bad(found, alice, bob, ann):
    first, second = said(found, alice, "One?"), said(found, alice, "Two?")
    for turn, user, place in ((first, alice, 0), (first, bob, 0), (second, alice, 1)):
        votes.cast(turn, user, "side", turns.latest(turn)[place])
    votes.cast(second, bob, "tie")
    votes.cast(second, ann, "bad")
    base, tuned = votes.tally(found)
    assert (base.won, base.lost, base.tied, base.bad, base.votes) == (2, 1, 1, 1, 5)
    assert (tuned.won, tuned.lost) == (1, 2)
    # The tie is half a win for each, "both bad" is no part of it, and each prompt counts once: 1 and 0.25 of 2.
    assert (base.share, tuned.share) == pytest.approx((0.625, 0.375))
    assert (round(base.low, 3), round(base.high, 3)) == (0.142, 0.944)
    assert votes.lead(votes.tally(found)).too_few


def test_several_votes_on_one_prompt_count_as_one(found, alice, bob, ann):
    """Three people agree on one prompt: that is one prompt won, and says no more than one."""
    turn = said(found, alice, "One?")
    for user in (alice, bob, ann):
        votes.cast(turn, user, "side", turns.latest(turn)[0])
    alone = votes.tally(found)[0]
    assert (alone.won, alone.votes, alone.prompts, alone.prompts_won, alone.share) == (3, 3, 1, 1, 1.0)
    assert alone.low == statistics.wilson(1, 1).low
    parted = said(found, alice, "Two?")
    for user, place in ((alice, 0), (bob, 1), (ann, 1)):
        votes.cast(parted, user, "side", turns.latest(parted)[place])
    base, tuned = votes.tally(found)
    assert (base.share, tuned.share) == pytest.approx((2 / 3, 1 / 3))
    assert (base.prompts_won, tuned.prompts_won) == (1, 1)
    assert votes.lead([base, tuned]) is None


def test_ties_read_as_equal(project, found, alice, bob, ann):
    """One win each and a tie: both half, and nobody ahead."""
    turn = said(found, alice)
    for user, place in ((alice, 0), (bob, 1)):
        votes.cast(turn, user, "side", turns.latest(turn)[place])
    votes.cast(turn, ann, "tie")
    standings = votes.tally(found)
    assert [standing.share for standing in standings] == [0.5, 0.5]
    assert votes.lead(standings) is None


def test_shares_of_three_add_up_to_one_with_ties(project, alice, bob):
    found = comparing(project, alice, URL, count=3)
    turn = said(found, alice)
    votes.cast(turn, alice, "tie")
    votes.cast(turn, bob, "side", turns.latest(turn)[0])
    assert [standing.share for standing in votes.tally(found)] == pytest.approx([2 / 3, 1 / 6, 1 / 6])


@pytest.mark.parametrize(
    ("won", "lost", "sides", "clear", "too_few"),
    [
        (7, 0, 2, False, True),
        (8, 0, 2, True, False),
        (8, 2, 2, False, False),
        (7, 1, 2, False, False),
        (8, 0, 4, True, False),
        (8, 1, 4, False, False),
    ],
)
def test_a_lead_is_clear_by_the_exact_sign_test(won, lost, sides, clear, too_few):
    endpoint = Endpoint(name="One")
    standings = [
        votes.Standing(count, 0, 0, 0, endpoint, prompts_won=count) for count in (lost, won, *[0] * (sides - 2))
    ]
    found = votes.lead(standings)
    assert (found.is_clear, found.too_few) == (clear, too_few)


def test_votes_after_the_names_were_seen_are_listed_apart(project, alice, bob):
    found = comparing(project, alice, URL, blind=True)
    turn = said(found, alice)
    base, tuned = sorted(turns.latest(turn), key=lambda reply: reply.side.position)
    votes.cast(turn, alice, "side", base)
    votes.cast(turn, bob, "tie")
    votes.cast(turn, bob, "side", tuned)
    one, two = votes.tally(found)
    assert (one.won, one.votes, one.share, two.share) == (1, 1, 1.0, 0.0)
    assert (two.after_names.won, two.after_names.votes) == (1, 1)


def test_a_vote_again_after_undoing_one_is_not_blind(project, alice):
    found = comparing(project, alice, URL, blind=True)
    turn = said(found, alice)
    votes.cast(turn, alice, "tie")
    votes.withdraw(turn, alice)
    votes.cast(turn, alice, "bad")
    assert not Vote.objects.get().blind
    assert votes.tally(found)[0].votes == 0


def test_without_votes_nothing_is_known(found):
    assert [(one.votes, one.low, one.high) for one in votes.tally(found)] == [(0, 0.0, 1.0)] * 2


def test_a_vote_becomes_a_preference_once(found, alice):
    turn = said(found, alice)
    votes.cast(turn, alice, "side", turns.latest(turn)[1])
    record = records.keep_vote(turn, alice)
    assert record.dataset.kind == "preferences"
    assert record.chosen == [{"role": "assistant", "content": "Tuned says Hello?"}]
    assert record.rejected == [{"role": "assistant", "content": "Base says Hello?"}]
    assert record.messages[-1] == {"role": "user", "content": "Hello?"}
    assert record.problem_count == 0
    with pytest.raises(ValidationError, match="already saved"):
        records.keep_vote(turn, alice)


def test_with_more_sides_the_best_is_preferred_to_each_other(project, alice):
    found = comparing(project, alice, URL, count=3)
    turn = said(found, alice)
    votes.cast(turn, alice, "side", turns.latest(turn)[0])
    dataset = records.keep_vote(turn, alice).dataset
    assert dataset.records.count() == 2


def test_a_preference_is_of_one_conversation(found, alice):
    """From turn 2 on each model has its own history; answers to different ones are not compared."""
    said(found, alice, "One?")
    turn = said(found, alice, "Two?")
    votes.cast(turn, alice, "side", turns.latest(turn)[1])
    with pytest.raises(ValidationError, match="different conversations"):
        records.keep_vote(turn, alice)
    found.turns.get(index=1).replies.update(text="Both said this")
    record = records.keep_vote(turn, alice)
    assert [message["content"] for message in record.messages] == ["One?", "Both said this", "Two?"]


def test_of_three_only_those_of_the_same_conversation_are_preferred_to(project, alice):
    found = comparing(project, alice, URL, count=3)
    first = said(found, alice, "One?")
    same = turns.latest(first)[:2]
    first.replies.filter(pk__in=[reply.pk for reply in same]).update(text="Both said this")
    turn = said(found, alice, "Two?")
    votes.cast(turn, alice, "side", turns.latest(turn)[0])
    record = records.keep_vote(turn, alice)
    assert record.dataset.records.count() == 1
    assert record.metadata["left_out"] == 1


@pytest.mark.parametrize("half", [{"is_cut": True}, {"state": "stopped"}, {"state": "failed"}])
def test_an_answer_without_an_end_is_saved_only_when_that_is_wanted(found, alice, half):
    turn = said(found, alice)
    votes.cast(turn, alice, "side", turns.latest(turn)[1])
    turn.replies.update(**half)
    reply = turn.replies.last()
    with pytest.raises(ValidationError, match="cut off or stopped"):
        records.keep_vote(turn, alice)
    with pytest.raises(ValidationError, match="cut off or stopped"):
        records.keep_answer(reply, alice, reply.text, None, "Mine")
    assert records.keep_vote(turn, alice, cut=True).rejected
    assert records.keep_answer(reply, alice, reply.text, None, "Mine", cut=True).messages


def test_an_answer_that_was_completed_is_saved_without_a_question(found, alice):
    turn = said(found, alice)
    turn.replies.update(is_cut=True)
    record = records.keep_answer(turn.replies.last(), alice, "Complete now.", None, "Mine")
    assert record.metadata["edited"]


def test_ties_teach_nothing(found, alice):
    turn = said(found, alice)
    for verdict in (None, "tie"):
        if verdict:
            votes.cast(turn, alice, verdict)
        with pytest.raises(ValidationError, match="gives no preference"):
            records.keep_vote(turn, alice)


def test_answers_that_are_the_same_teach_nothing(found, alice):
    turn = said(found, alice)
    turn.replies.update(text="The same")
    votes.cast(turn, alice, "side", turns.latest(turn)[0])
    with pytest.raises(ValidationError, match="no preference"):
        records.keep_vote(turn, alice)


def test_the_list_over_rest_takes_as_many_queries_for_several_comparisons_as_for_one(project, alice, api_of_alice):
    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert api_of_alice.get(f"/api/projects/{project.pk}/comparisons").status_code == 200
        return len(asked)

    found = comparing(project, alice, URL)
    queries()  # the first request of a key notes that it was used
    one = queries()
    for _ in range(3):
        turns.create(project, alice, [side.endpoint for side in found.sides.all()])
    assert queries() == one
