"""Pages of comparisons, as people use them: with scripts and without, by role, and with hostile words."""

import json
from html import unescape

import pytest

from atelier.accounts.models import Project
from curation.models import Dataset
from inference.comparisons import turns, votes
from inference.models import Comparison, Reply, Vote
from tests.inference.asking import comparing, conversations, pair, said, teacher_server
from tests.inference.models_fixtures import adapter, base_on_disk  # noqa: F401

URL = "http://127.0.0.1:9/v1"
HTMX = {"HX-Request": "true"}
SAMPLING = {"temperature": "0.3", "top_p": "1", "max_tokens": "300", "seed": "17"}


@pytest.fixture
def found(project, alice) -> Comparison:
    return comparing(project, alice, URL)


def at(project: Project, rest: str = "") -> str:
    return f"/projects/{project.pk}/compare/{rest}"


def words(answer) -> str:
    return unescape(answer.content.decode())


# --- who may do what -----------------------------------------------------------------------------

ROLES = ["alice", "bob", "ann", "vic", "charlie"]
READ, ASK, EDIT = "vic", "ann", "bob"  # the smallest role that may
ADDRESSES = [
    ("get", "", READ), ("get", "new", EDIT), ("get", "{c}/", READ), ("post", "{c}/say", ASK), ("get", "{c}/delete", EDIT),
    ("post", "{c}/turns/{t}/vote", ASK), ("post", "{c}/turns/{t}/preference", EDIT), ("get", "{c}/turns/{t}/diff?a={r}&b={s}", READ),
    ("get", "{c}/replies/{r}/", READ), ("post", "{c}/replies/{r}/stop", ASK), ("post", "{c}/replies/{r}/regenerate", ASK),
    ("get", "{c}/replies/{r}/save", EDIT), ("get", "{c}/replies/{r}/stream", READ),
]  # fmt: skip


@pytest.mark.parametrize(("method", "address", "smallest"), ADDRESSES)
def test_every_address_asks_for_its_role(request, project, found, alice, method, address, smallest):
    turn = said(found, alice)
    replies = [reply.pk for reply in turns.latest(turn)]
    address = at(project, address.format(c=found.pk, t=turn.pk, r=replies[0], s=replies[1]))
    for name in ROLES:
        client = request.getfixturevalue(f"as_{name}")
        status = getattr(client, method)(address).status_code
        if name == "charlie":
            assert status == 404
        elif ROLES.index(name) > ROLES.index(smallest):
            assert status == 403
        else:
            assert status in (200, 204, 302, 400, 422)


def test_children_of_other_comparisons_are_not_found(as_alice, project, alice, found):
    other = turns.create(project, alice, list(project.endpoints.all()))
    turn = said(other, alice)
    reply = turns.latest(turn)[0]
    for address in (
        f"{found.pk}/replies/{reply.pk}/",
        f"{found.pk}/turns/{turn.pk}/diff",
        f"{found.pk}/replies/{reply.pk}/save",
    ):
        assert as_alice.get(at(project, address)).status_code == 404
    assert as_alice.post(at(project, f"{found.pk}/turns/{turn.pk}/vote"), {"vote": "tie"}).status_code == 404


# --- the list and a new one ----------------------------------------------------------------------


def test_an_empty_list_says_what_to_do_first(as_alice, as_vic, project):
    assert "Go to Models" in words(as_alice.get(at(project)))
    assert "When an editor starts" in words(as_vic.get(at(project)))
    pair(project, URL)
    assert "New comparison" in words(as_alice.get(at(project)))


def test_the_list_shows_votes_with_their_interval(as_alice, project, found, alice):
    turn = said(found, alice)
    votes.cast(turn, alice, "side", turns.latest(turn)[1])
    page = words(as_alice.get(at(project)))
    assert "Base vs Tuned" in page
    assert "21% to 100%" in page


def test_the_list_goes_on_by_key(as_alice, project, alice, monkeypatch):
    from inference.views.comparisons import pages as comparison_pages

    monkeypatch.setattr(comparison_pages, "PAGE", 2)
    models = pair(project, URL)
    made = [turns.create(project, alice, models, name=f"Number {n}") for n in range(3)]
    page = words(as_alice.get(at(project)))
    assert f"?before={made[1].pk}" in page
    assert "Number 0" in words(as_alice.get(at(project, f"?before={made[1].pk}"), headers=HTMX))


def test_a_comparison_is_started_from_the_form(as_bob, project):
    base, tuned = pair(project, URL)
    page = words(as_bob.get(at(project, f"new?endpoints={base.pk},{tuned.pk}")))
    assert page.count(" checked") == 2
    answer = as_bob.post(
        at(project, "new"), {"endpoints": [tuned.pk, base.pk], "system_prompt": "Be plain.", "blind": "on", **SAMPLING}
    )
    made = Comparison.objects.get()
    assert answer["Location"] == at(project, f"{made.pk}/")
    assert (made.blind, made.system_prompt, made.sampling["seed"]) == (True, "Be plain.", 17)


def test_bad_choices_come_back_with_a_sentence_and_what_was_typed(as_bob, project):
    base, _ = pair(project, URL)
    answer = as_bob.post(at(project, "new"), {"endpoints": [base.pk], "name": "Mine", **SAMPLING})
    assert answer.status_code == 422
    assert "Choose two to four models" in words(answer)
    assert 'value="Mine"' in words(answer)
    assert as_bob.post(at(project, "new"), {**SAMPLING}).status_code == 422
    assert as_bob.post(at(project, "new"), {"endpoints": ["x"], **SAMPLING}).status_code == 422
    assert not Comparison.objects.exists()


def test_a_new_one_can_be_like_another(as_bob, project, alice):
    made = comparing(project, alice, URL, system_prompt="As before.", blind=True)
    assert "As before." in words(as_bob.get(at(project, f"new?like={made.pk}")))


# --- the conversation ----------------------------------------------------------------------------


def test_without_scripts_all_sides_answer_and_the_page_comes_back(transactional_db, as_ann, project, alice):
    with teacher_server() as server:
        made = comparing(project, alice, server.url, count=3)
        answer = as_ann.post(at(project, f"{made.pk}/say"), {"prompt": "Hello?", "index": "1"}, follow=True)
        assert len(server.calls) == 3
    assert words(answer).count("Answer to: Hello?") == 3
    assert set(Reply.objects.values_list("state", flat=True)) == {"done"}


def test_with_scripts_the_new_turn_streams(as_ann, project, found):
    answer = as_ann.post(at(project, f"{found.pk}/say"), {"prompt": "Hello?", "index": "1"}, headers=HTMX)
    page = words(answer)
    for reply in Reply.objects.all():
        assert f'data-stream="{at(project, f"{found.pk}/replies/{reply.pk}/stream")}"' in page
    assert 'name="index" value="2"' in page
    assert set(Reply.objects.values_list("state", flat=True)) == {"waiting"}


def test_an_empty_message_comes_back_in_the_composer(as_ann, project, found):
    answer = as_ann.post(at(project, f"{found.pk}/say"), {"prompt": " "}, headers=HTMX)
    assert answer.status_code == 422
    assert answer["HX-Retarget"] == "#composer"
    assert "Enter a prompt first." in words(answer)
    assert as_ann.post(at(project, f"{found.pk}/say"), {"prompt": " "}).status_code == 422


def test_a_text_of_the_project_is_asked_with_one_click(as_ann, project, alice):
    conversations(project, 30)
    made = comparing(project, alice, URL)
    preset = turns.presets(made)[0]
    assert preset.prompt in words(as_ann.get(at(project, f"{made.pk}/")))
    as_ann.post(at(project, f"{made.pk}/say"), {"preset": preset.record.pk}, headers=HTMX)
    turn = made.turns.get()
    assert (turn.prompt, turn.source) == (preset.prompt, preset.record)


def test_records_of_other_projects_are_no_presets(as_ann, project, found, team):
    theirs = conversations(Project.objects.create(team=team, name="Other"))
    as_ann.post(at(project, f"{found.pk}/say"), {"preset": theirs.records.first().pk, "prompt": "Mine"}, headers=HTMX)
    assert found.turns.get().prompt == "Mine"


def test_what_models_and_people_wrote_is_shown_as_text(as_ann, project, found, alice):
    nasty = '<script>alert(1)</script><img src=x onerror=alert(2) hx-get="/x">'
    turn = said(found, alice, nasty)
    turn.replies.update(text=nasty, error=nasty, reasoning=nasty)
    page = as_ann.get(at(project, f"{found.pk}/")).content.decode()
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    a, b = (reply.pk for reply in turns.latest(turn))
    diff = as_ann.get(at(project, f"{found.pk}/turns/{turn.pk}/diff?a={a}&b={b}"), headers=HTMX).content.decode()
    assert "<script>alert" not in diff


def test_stop_and_ask_again(as_ann, project, found, alice):
    turn = turns.say(found, alice, "Hello?")
    first, second = turns.latest(turn)
    for reply in (first, second):
        assert as_ann.post(at(project, f"{found.pk}/replies/{reply.pk}/stop")).status_code == 204
    answer = as_ann.post(at(project, f"{found.pk}/replies/{first.pk}/regenerate"), headers=HTMX)
    again = Reply.objects.get(attempt=2)
    assert f"replies/{again.pk}/stream" in words(answer)
    refused = as_ann.post(at(project, f"{found.pk}/replies/{first.pk}/regenerate"), headers=HTMX)
    assert refused.status_code == 400
    assert "already regenerated" in words(refused)


def test_asking_again_without_scripts_waits_for_the_answer(transactional_db, as_ann, project, alice):
    with teacher_server() as server:
        made = comparing(project, alice, server.url)
        reply = turns.latest(said(made, alice))[0]
        answer = as_ann.post(at(project, f"{made.pk}/replies/{reply.pk}/regenerate"))
    assert answer.status_code == 302
    assert Reply.objects.get(attempt=2).text == "Answer to: Hello?"


def test_votes_by_key_and_button(as_ann, project, found, alice, ann):
    turn = said(found, alice)
    right = turns.latest(turn)[1]
    page = words(as_ann.get(at(project, f"{found.pk}/")))
    for key in ("1", "2", "3", "4"):
        assert f'data-key="{key}"' in page
    assert 'data-key-also="arrowright"' in page
    address = at(project, f"{found.pk}/turns/{turn.pk}/vote")
    answer = words(as_ann.post(address, {"vote": right.pk}, headers=HTMX))
    assert "Your vote" in answer
    assert 'id="tally"' in answer
    assert Vote.objects.get(user=ann).winner == right
    assert as_ann.post(address, {"vote": "tie"})["Location"].endswith(f"#turn-{turn.pk}")
    assert as_ann.post(address, {"vote": "none"}).status_code == 302
    assert not Vote.objects.exists()
    assert as_ann.post(address, {"vote": "best"}).status_code == 400


def test_a_blind_comparison_names_nobody_before_the_vote(as_ann, as_bob, project, alice):
    made = comparing(project, alice, URL, blind=True)
    turn = said(made, alice)
    turn.replies.update(text="Words", completion_tokens=33, first_token_seconds=0.77, attempt=2)
    page = words(as_ann.get(at(project, f"{made.pk}/")))
    assert page.count("hidden until you vote") == 2
    assert 'class="answer-name"' not in page
    for telling in ("tokens/s", "<b>33</b>", "to first token", "attempt 2", "data-stream-measures"):
        assert telling not in page
    assert "/save" not in page
    as_ann.post(at(project, f"{made.pk}/turns/{turn.pk}/vote"), {"vote": "tie"})
    page = words(as_ann.get(at(project, f"{made.pk}/")))
    assert 'class="answer-name"' in page
    assert "<b>33</b>" in page
    assert "attempt 2" in page
    assert 'class="answer-name"' not in words(as_bob.get(at(project, f"{made.pk}/")))


def test_a_vote_is_saved_as_a_preference_with_one_click(as_bob, project, found, alice, bob):
    turn = said(found, alice)
    votes.cast(turn, bob, "side", turns.latest(turn)[0])
    assert "Save as a preference record" in words(as_bob.get(at(project, f"{found.pk}/")))
    answer = as_bob.post(at(project, f"{found.pk}/turns/{turn.pk}/preference"), headers=HTMX)
    assert "Saved as a preference" in words(answer)
    assert Dataset.objects.get(kind="preferences").records.count() == 1
    assert as_bob.post(at(project, f"{found.pk}/turns/{turn.pk}/preference"), headers=HTMX).status_code == 400


def test_an_empty_winner_is_no_preference(as_bob, project, found, alice, bob):
    turn = said(found, alice)
    winner = turns.latest(turn)[0]
    turn.replies.filter(pk=winner.pk).update(text="")
    votes.cast(turn, bob, "side", winner)
    assert "Save as a preference record" not in words(as_bob.get(at(project, f"{found.pk}/")))


def test_an_answer_that_was_cut_off_says_so(as_bob, project, found, alice):
    turn = said(found, alice)
    assert "Cut off" not in words(as_bob.get(at(project, f"{found.pk}/")))
    turn.replies.update(is_cut=True, completion_tokens=7)
    assert "Cut off at 7 tokens" in words(as_bob.get(at(project, f"{found.pk}/")))
    turn.replies.update(finish_reason="content_filter")
    assert "The server's reason: content_filter" in words(as_bob.get(at(project, f"{found.pk}/")))


def test_saving_an_answer_that_was_cut_off_asks_first(as_bob, project, found, alice, bob):
    turn = said(found, alice)
    turn.replies.update(is_cut=True)
    reply = turns.latest(turn)[0]
    address = at(project, f"{found.pk}/replies/{reply.pk}/save")
    assert "Save it although it was cut off" in words(as_bob.get(address))
    sent = {"text": reply.turn.replies.first().text, "new_name": "Chat"}
    answer = as_bob.post(address, sent)
    assert answer.status_code == 422
    assert "was cut off or stopped" in words(answer)
    assert as_bob.post(address, {**sent, "cut": "on"}).status_code == 302
    votes.cast(turn, bob, "side", reply)
    assert "Save although an answer was cut off" in words(as_bob.get(at(project, f"{found.pk}/")))
    address = at(project, f"{found.pk}/turns/{turn.pk}/preference")
    assert as_bob.post(address, headers=HTMX).status_code == 400
    assert "Saved as a preference" in words(as_bob.post(address, {"cut": "1"}, headers=HTMX))


def test_the_page_says_when_an_adapter_was_trained_with_another_prompt(as_bob, project, alice, adapter):  # noqa: F811
    base, tuned = pair(project, URL)
    tuned.adapter = adapter
    tuned.save()
    page = words(as_bob.get(at(project, f"new?endpoints={base.pk},{tuned.pk}")))
    assert "Write plainly.</textarea>" in page
    assert "trained with the system prompt: Write plainly." in page
    for prompt, warned in (("Write plainly.", False), ("Write", True)):
        made = turns.create(project, alice, [base, tuned], system_prompt=prompt)
        page = words(as_bob.get(at(project, f"{made.pk}/")))
        assert ("trained with another system prompt" in page) is warned


def test_an_answer_is_edited_and_saved(as_bob, project, found, alice):
    reply = turns.latest(said(found, alice))[0]
    address = at(project, f"{found.pk}/replies/{reply.pk}/save")
    assert "Base says Hello?" in words(as_bob.get(address))
    answer = as_bob.post(address, {"text": "Edited.", "new_name": "From the chat"}, follow=True)
    assert "Saved in From the chat" in words(answer)
    assert Dataset.objects.get(name="From the chat").records.get().messages[-1]["content"] == "Edited."
    assert as_bob.post(address, {"text": "Again", "new_name": "From the chat"}).status_code == 422
    assert as_bob.post(address, {"text": "Again"}).status_code == 422


def test_the_word_diff_also_works_as_a_page(as_vic, project, found, alice):
    turn = said(found, alice)
    a, b = (reply.pk for reply in turns.latest(turn))
    address = at(project, f"{found.pk}/turns/{turn.pk}/diff")
    page = words(as_vic.get(f"{address}?a={a}&b={b}"))
    assert "<del>Base</del>" in page
    assert "<ins>Tuned</ins>" in page
    assert as_vic.get(f"{address}?a={a}").status_code == 400


def test_deleting_asks_first_and_keeps_what_was_saved(as_bob, project, found, alice, bob):
    turn = said(found, alice)
    votes.cast(turn, bob, "side", turns.latest(turn)[0])
    as_bob.post(at(project, f"{found.pk}/turns/{turn.pk}/preference"))
    assert "Delete this comparison?" in words(as_bob.get(at(project, f"{found.pk}/delete")))
    as_bob.post(at(project, f"{found.pk}/delete"))
    assert not Comparison.objects.exists()
    assert Dataset.objects.get(kind="preferences").records.count() == 1


def test_a_page_with_many_turns_takes_few_queries(as_ann, project, found, alice, django_assert_max_num_queries):
    for n in range(12):
        said(found, alice, f"Turn {n}")
    with django_assert_max_num_queries(60):
        as_ann.get(at(project, f"{found.pk}/"))


# --- REST ----------------------------------------------------------------------------------------


def api(project: Project, rest: str = "") -> str:
    return f"/api/projects/{project.pk}/comparisons{rest}"


def post(client, address, body, **headers):
    return client.post(address, json.dumps(body), content_type="application/json", headers=headers)


def test_a_whole_comparison_by_rest(transactional_db, bob_api, project):
    with teacher_server() as server:
        ids = [model.pk for model in pair(project, server.url)]
        project.student_prompt = "Be plain."
        project.save()
        body = {"endpoints": ids, "blind": True, "sampling": {"seed": 3}}
        made = post(bob_api, api(project), body, **{"Idempotency-Key": "k1"})
        assert made.status_code == 201
        assert made.json()["system_prompt"] == "Be plain."
        assert post(bob_api, api(project), body, **{"Idempotency-Key": "k1"}).json()["id"] == made.json()["id"]
        pk = made.json()["id"]
        turn = post(bob_api, api(project, f"/{pk}/say"), {"prompt": "Hello?"}).json()
    for name in ("attempt", "seconds", "first_token_seconds", "prompt_tokens", "completion_tokens"):
        assert {answer[name] for answer in turn["answers"]} == {None}
    assert {answer["text"] for answer in turn["answers"]} == {"Answer to: Hello?"}
    assert {answer["endpoint_name"] for answer in turn["answers"]} == {None}
    address = api(project, f"/{pk}/turns/{turn['id']}/vote")
    voted = post(bob_api, address, {"verdict": "side", "winner": turn["answers"][0]["id"]}).json()
    assert {answer["endpoint_name"] for answer in voted["answers"]} == {"Base", "Tuned"}
    assert voted["vote"]["blind"] is True
    assert all(answer["seconds"] for answer in voted["answers"])
    assert len(bob_api.get(api(project, f"/{pk}/answers")).json()) == 1
    assert sum(one["won"] for one in bob_api.get(api(project, f"/{pk}")).json()["tally"]) == 1
    saved = post(bob_api, api(project, f"/{pk}/replies/{turn['answers'][1]['id']}/save"), {"text": "Better."})
    assert saved.status_code == 201
    # Both answered the same: there is no preference in it.
    assert post(bob_api, api(project, f"/{pk}/turns/{turn['id']}/preference"), {}).status_code == 422
    assert post(bob_api, address, {"verdict": "none"}).json()["vote"] is None
    assert len(bob_api.get(api(project)).json()) == 1


def test_rest_refuses_with_sentences(bob_api, project, found):
    ids = [side.endpoint_id for side in found.sides.all()]
    for body, status in (
        ({"endpoints": ids[:1]}, 422), ({"endpoints": [*ids, 10**6]}, 404), ({"endpoints": ids, "extra": 1}, 422),
        ({"endpoints": ids, "sampling": {"temperature": 9}}, 422),
    ):  # fmt: skip
        answer = post(bob_api, api(project), body)
        assert answer.status_code == status
        assert answer.json()["detail"]
    assert post(bob_api, api(project, f"/{found.pk}/say"), {"prompt": ""}).status_code == 422


def test_rest_knows_the_same_roles(bob_api, bob, project, found, team):
    for role, create, say in (("viewer", 403, 403), ("annotator", 403, 422), ("editor", 422, 422)):
        bob.memberships.filter(team=team).update(role=role)
        assert post(bob_api, api(project), {"endpoints": []}).status_code == create
        assert post(bob_api, api(project, f"/{found.pk}/say"), {"prompt": ""}).status_code == say
        assert bob_api.get(api(project)).status_code == 200
    bob.memberships.filter(team=team).delete()
    assert bob_api.get(api(project)).status_code == 401
