"""Comparisons: what may be compared, and what each side is asked."""

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from curation.chat import Sampling
from curation.models import Dataset
from inference.comparisons import records, turns, votes
from inference.models import Comparison, Deployment, Endpoint, Reply
from tests.inference.asking import comparing, conversations, pair, said

URL = "http://127.0.0.1:9/v1"


def test_two_to_four_models_can_be_compared(project, alice):
    four = pair(project, URL, 4)
    for few in ([], four[:1], [*four, four[0]]):
        with pytest.raises(ValidationError, match="two to four"):
            turns.create(project, alice, few)
    with pytest.raises(ValidationError, match="each model once"):
        turns.create(project, alice, [four[0], four[0]])
    assert turns.create(project, alice, four).sides.count() == 4


def test_models_of_another_project_cannot_be_compared(project, alice, team):
    other = type(project).objects.create(team=team, name="Other")
    mine, theirs = pair(project, URL, 1), pair(other, URL, 1)
    with pytest.raises(ValidationError, match="this project"):
        turns.create(project, alice, [*mine, *theirs])


def test_what_is_not_served_is_refused_with_what_to_do(project, alice):
    deployment = Deployment.objects.create(project=project, base="small", state="starting", seen_at=timezone.now())
    served = Endpoint.objects.create(project=project, name="Small", kind="served", deployment=deployment)
    with pytest.raises(ValidationError, match=r"Small is unavailable.*starting.*Models"):
        turns.create(project, alice, [served, *pair(project, URL, 1)])


def test_base_and_newest_adapter_are_suggested_once_both_answer(project):
    assert turns.suggested(turns.choices(project)) == []
    deployment = Deployment.objects.create(
        project=project, base="small", state="ready", seen_at=timezone.now(), url="http://127.0.0.1:9"
    )
    Endpoint.objects.create(project=project, name="Small", kind="served", deployment=deployment)
    assert turns.suggested(turns.choices(project)) == []


@pytest.mark.parametrize("bad", [Sampling(temperature=3), Sampling(top_p=0), Sampling(max_tokens=0), Sampling(seed=-1)])
def test_sampling_out_of_bounds_is_a_sentence(project, alice, bad):
    with pytest.raises(ValidationError):
        turns.create(project, alice, pair(project, URL), sampling=bad)


def test_the_same_key_gives_the_same_comparison(project, alice):
    models = pair(project, URL)
    one, two = (turns.create(project, alice, models, key="k") for _ in range(2))
    assert one == two
    assert Comparison.objects.count() == 1


def test_each_side_is_asked_with_its_own_answers(project, alice):
    found = comparing(project, alice, URL, system_prompt="Be plain.")
    said(found, alice, "One?")
    turn = turns.say(found, alice, "Two?")
    asked = [turns.context(reply) for reply in turn.replies.all()]
    assert [message["content"] for message in asked[0]] == ["Be plain.", "One?", "Base says One?", "Two?"]
    assert [message["content"] for message in asked[1]] == ["Be plain.", "One?", "Tuned says One?", "Two?"]


def test_a_turn_that_a_side_did_not_answer_is_left_out_for_it(project, alice):
    found = comparing(project, alice, URL)
    first = said(found, alice, "One?")
    first.replies.filter(side__position=0).update(state="failed", text="")
    turn = turns.say(found, alice, "Two?")
    roles = [[message["role"] for message in turns.context(reply)] for reply in turn.replies.all()]
    assert roles == [["user"], ["user", "assistant", "user"]]


def test_a_doubled_request_says_it_once(project, alice):
    found = comparing(project, alice, URL)
    one, two = (turns.say(found, alice, "Hello?", index=1) for _ in range(2))
    assert one == two
    assert Reply.objects.count() == 2
    with pytest.raises(ValidationError, match="has written here"):
        turns.say(found, alice, "Something else", index=1)


def test_nothing_new_is_said_while_answers_are_written(project, alice):
    found = comparing(project, alice, URL)
    turns.say(found, alice, "Hello?")
    with pytest.raises(ValidationError, match="still being written"):
        turns.say(found, alice, "And?")


@pytest.mark.parametrize(("prompt", "words"), [("  ", "Enter a prompt"), ("x" * 100_001, "longer than")])
def test_bad_prompts_are_refused(project, alice, prompt, words):
    with pytest.raises(ValidationError, match=words):
        turns.say(comparing(project, alice, URL), alice, prompt)


def test_asking_again_adds_an_attempt_with_the_next_seed(project, alice):
    found = comparing(project, alice, URL, sampling=Sampling(seed=17))
    turn = said(found, alice)
    reply = turns.latest(turn)[0]
    again = turns.regenerate(reply)
    assert (again.attempt, again.sampling["seed"], again.state) == (2, 18, "waiting")
    with pytest.raises(ValidationError, match="already regenerated"):
        turns.regenerate(reply)
    assert turns.latest(turn)[0] == again


def test_only_the_last_turn_without_votes_can_be_asked_again(project, alice):
    found = comparing(project, alice, URL)
    first = said(found, alice, "One?")
    second = said(found, alice, "Two?")
    with pytest.raises(ValidationError, match="continued"):
        turns.regenerate(turns.latest(first)[0])
    votes.cast(second, alice, "tie")
    with pytest.raises(ValidationError, match="have a vote"):
        turns.regenerate(turns.latest(second)[0])


def test_presets_come_from_the_test_split_and_are_not_offered_twice(project, alice):
    dataset = conversations(project, 30)
    found = comparing(project, alice, URL)
    offered = turns.presets(found)
    assert {preset.record.split for preset in offered} == {"test"}
    said(found, alice, offered[0].prompt, source=offered[0].record)
    assert offered[0].record not in [preset.record for preset in turns.presets(found)]
    dataset.records.all().delete()
    assert turns.presets(found) == []


def test_a_saved_answer_is_the_conversation_and_keeps_the_split_of_its_source(project, alice):
    dataset = conversations(project, 30)
    found = comparing(project, alice, URL, system_prompt="Be plain.")
    preset = turns.presets(found)[0]
    turn = said(found, alice, preset.prompt, source=preset.record)
    reply = turns.latest(turn)[1]
    record = records.keep_answer(reply, alice, "Better words.", dataset)
    assert [message["role"] for message in record.messages] == ["system", "user", "assistant"]
    assert record.messages[-1]["content"] == "Better words."
    assert (record.split, record.source_group, record.source) == ("test", preset.record.source_group, preset.record)
    assert record.metadata["endpoint"] == "Tuned"
    assert record.metadata["edited"] is True
    assert record.origin.startswith(f"comparison {found.pk}")
    assert record.status == "new"
    reply.refresh_from_db()
    assert reply.record == record
    with pytest.raises(ValidationError, match="already saved"):
        records.keep_answer(reply, alice, "Again", dataset)


def test_a_dataset_of_another_kind_is_not_filled_with_conversations(project, alice):
    Dataset.objects.create(project=project, name="Raw", kind="documents")
    reply = turns.latest(said(comparing(project, alice, URL), alice))[0]
    with pytest.raises(ValidationError, match="with documents already exists"):
        records.keep_answer(reply, alice, "Text", None, "Raw")
    with pytest.raises(ValidationError, match="empty"):
        records.keep_answer(reply, alice, "  ", None, "New")
