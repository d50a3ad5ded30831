"""Votes, what they add up to, and the preferences they become."""

import pytest
from django.core.exceptions import ValidationError

from atelier.accounts.models import Role
from inference import comparison, keeping, showing, votes
from inference.models import Vote
from tests.inference.asking import comparing, said

URL = "http://127.0.0.1:9/v1"


@pytest.fixture
def found(project, alice):
    return comparing(project, alice, URL)


def fresh(turn):
    return comparison.with_replies(turn.comparison.turns.filter(pk=turn.pk)).get()


def test_voting_again_changes_the_vote(found, alice):
    turn = said(found, alice)
    left, right = comparison.latest(turn)
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
    turn = comparison.say(found, alice, "Hello?")
    with pytest.raises(ValidationError, match="every answer is written"):
        votes.cast(turn, alice, "tie")


def test_a_vote_names_an_answer_that_is_shown(found, alice):
    turn = said(found, alice)
    old = comparison.latest(turn)[0]
    comparison.regenerate(old)
    turn.replies.update(state="done")
    for winner in (old, None):
        with pytest.raises(ValidationError, match="which of the answers"):
            votes.cast(turn, alice, "side", winner)
    with pytest.raises(ValidationError, match="A vote is one of"):
        votes.cast(turn, alice, "best")


def test_names_are_hidden_until_the_vote_for_each_person(project, alice, bob):
    found = comparing(project, alice, URL, blind=True)
    turn = fresh(said(found, alice))
    assert votes.names_hidden(turn, alice)
    assert {one.name for one in showing.show(turn, alice, Role.EDITOR, True).answers} == {""}
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
    assert [reply.pk for reply in comparison.latest(turn)] == sorted(turn.replies.values_list("pk", flat=True))


def test_the_tally_counts_won_lost_tied_and_bad(found, alice, bob, ann):
    first, second = said(found, alice, "One?"), said(found, alice, "Two?")
    for turn, user, place in ((first, alice, 0), (first, bob, 0), (second, alice, 1)):
        votes.cast(turn, user, "side", comparison.latest(turn)[place])
    votes.cast(second, bob, "tie")
    votes.cast(second, ann, "bad")
    base, tuned = votes.tally(found)
    assert (base.won, base.lost, base.tied, base.bad, base.votes) == (2, 1, 1, 1, 5)
    assert (tuned.won, tuned.lost) == (1, 2)
    assert base.share == pytest.approx(0.4)
    # Wilson's interval of 2 in 5.
    assert (round(base.low, 3), round(base.high, 3)) == (0.118, 0.769)


def test_without_votes_nothing_is_known(found):
    assert [(one.votes, one.low, one.high) for one in votes.tally(found)] == [(0, 0.0, 1.0)] * 2


def test_a_vote_becomes_a_preference_once(found, alice):
    turn = said(found, alice)
    votes.cast(turn, alice, "side", comparison.latest(turn)[1])
    record = keeping.keep_vote(turn, alice)
    assert record.dataset.kind == "preferences"
    assert record.chosen == [{"role": "assistant", "content": "Tuned says Hello?"}]
    assert record.rejected == [{"role": "assistant", "content": "Base says Hello?"}]
    assert record.messages[-1] == {"role": "user", "content": "Hello?"}
    assert record.problem_count == 0
    with pytest.raises(ValidationError, match="saved already"):
        keeping.keep_vote(turn, alice)


def test_with_more_sides_the_best_is_preferred_to_each_other(project, alice):
    found = comparing(project, alice, URL, count=3)
    turn = said(found, alice)
    votes.cast(turn, alice, "side", comparison.latest(turn)[0])
    dataset = keeping.keep_vote(turn, alice).dataset
    assert dataset.records.count() == 2


def test_ties_teach_nothing(found, alice):
    turn = said(found, alice)
    for verdict in (None, "tie"):
        if verdict:
            votes.cast(turn, alice, verdict)
        with pytest.raises(ValidationError, match="teaches nothing"):
            keeping.keep_vote(turn, alice)


def test_answers_that_are_the_same_teach_nothing(found, alice):
    turn = said(found, alice)
    turn.replies.update(text="The same")
    votes.cast(turn, alice, "side", comparison.latest(turn)[0])
    with pytest.raises(ValidationError, match="no preference"):
        keeping.keep_vote(turn, alice)
