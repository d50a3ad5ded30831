"""The pages and the API of annotating, for everybody who may and may not."""

import json

import pytest
from django.urls import reverse

from curation.annotation import answers, questions, queue, suggestions
from curation.models import Annotation, Assignment, Question, Queue, Task
from tests.curation.annotation.conftest import make_record

HERE = "x-annotate"


def address(name, chats, *more):
    return reverse(f"curation:{name}", args=[chats.project_id, chats.pk, *more])


def api(chats, path=""):
    return f"/api/projects/{chats.project_id}/datasets/{chats.pk}/{path}"


def of_annotation(chats, pk, move):
    return f"/api/projects/{chats.project_id}/annotations/{pk}/{move}"


@pytest.fixture
def clients(as_alice, as_bob, as_ann, as_vic, as_charlie):
    return {"alice": as_alice, "bob": as_bob, "ann": as_ann, "vic": as_vic, "charlie": as_charlie}


EDITORS = {"alice": 200, "bob": 200, "ann": 403, "vic": 403, "charlie": 404}
ANNOTATORS = EDITORS | {"ann": 200}
EVERYBODY = ANNOTATORS | {"vic": 200}


@pytest.mark.parametrize(
    ("name", "wanted", "query"),
    [
        ("annotate", ANNOTATORS, ""),
        ("questions", EVERYBODY, ""),
        ("new_question", EDITORS, "?kind=spans"),
        ("queue", EDITORS, ""),
    ],
)
def test_each_page_opens_for_whom_it_is_meant(waiting, chats, clients, name, wanted, query):
    waiting(6)
    found = {who: client.get(address(name, chats) + query).status_code for who, client in clients.items()}
    assert found == wanted


@pytest.mark.parametrize("name", ["question", "delete_question"])
def test_the_pages_of_a_question_are_the_editors(chats, tone, clients, name):
    found = {who: client.get(address(name, chats, tone.pk)).status_code for who, client in clients.items()}
    assert found == EDITORS


@pytest.mark.parametrize(
    ("name", "more", "allowed"),
    [
        ("annotate_ahead", (), ANNOTATORS),
        ("annotate_undo", (), ANNOTATORS),
        ("fill_queue", (), EDITORS),
        ("assign_queue", (), EDITORS),
        ("move_question", ("tone",), EDITORS),
        ("delete_question", ("tone",), EDITORS),
        ("queue", (), EDITORS),
        ("question", ("tone",), EDITORS),
    ],
)
def test_what_changes_something_is_refused_to_the_others(waiting, chats, tone, clients, name, more, allowed):
    waiting(2)
    for who, status in allowed.items():
        if status != 200:
            assert clients[who].post(address(name, chats, *[tone.pk for _ in more])).status_code == status, who
    assert Question.objects.count() == 1
    assert not Annotation.objects.exists()


def test_somebody_elses_annotation_is_not_to_be_had(waiting, chats, ann, as_bob, as_ann, as_vic, as_charlie):
    held = queue.next_task(waiting(1), ann)
    for move in ("draft", "submit", "skip"):
        target = address("annotate_answer", chats, held.pk, move)
        assert [client.post(target).status_code for client in (as_bob, as_vic, as_charlie)] == [404, 403, 404]
    held.refresh_from_db()
    assert held.state == "open"


def test_the_plain_form_submits_and_goes_on_without_scripts(waiting, chats, as_ann):
    box = waiting(2)
    page = as_ann.get(address("annotate", chats))
    held = page.context["annotation"]
    answer = as_ann.post(address("annotate_answer", chats, held.pk, "submit"), {"q.tone": "loud"}, follow=True)
    assert answer.context["annotation"].pk != held.pk
    assert "1 by you today, 1 left" in answer.content.decode()
    assert Task.objects.get(record=held.record_id).answers == {"tone": "loud"}
    assert box.tasks.filter(state="done").count() == 1


def test_the_plain_form_takes_every_kind_of_answer(chats, as_ann):
    labels = {"labels": ["a", "b"]}
    for title, kind, options in [
        ("One", "label", labels), ("Many", "labels", labels), ("Stars", "rating", {"low": 1, "high": 5}),
        ("Rank", "ranking", {"pieces": ["answer", "field:brief"]}), ("Spans", "spans", labels | {"piece": "answer"}),
        ("Right", "text", {"piece": "prompt"}), ("Say", "comment", {}),
    ]:  # fmt: skip
        questions.create(chats, title=title, kind=kind, options=options)
    make_record(chats)
    queue.fill(chats, chats.records.all())
    held = as_ann.get(address("annotate", chats)).context["annotation"]
    sent = {
        "q.one": "a", "q.many": ["b", "a"], "q.stars": "4", "q.rank.0": "2", "q.rank.1": "1", "q.spans": "0 3 a\r\n4 9 b",
        "q.right": "better", "q.say": "well",
    }  # fmt: skip
    as_ann.post(address("annotate_answer", chats, held.pk, "submit"), sent)
    held.refresh_from_db()
    assert held.answers == {
        "one": "a", "many": ["a", "b"], "stars": 4, "rank": ["field:brief", "answer"], "right": "better", "say": "well",
        "spans": [{"start": 0, "end": 3, "label": "a"}, {"start": 4, "end": 9, "label": "b"}],
    }  # fmt: skip


def test_a_missing_answer_comes_back_with_its_sentence_and_what_was_sent(waiting, chats, as_ann):
    questions.create(chats, title="Say", kind="comment", required=False)
    waiting(1)
    held = as_ann.get(address("annotate", chats)).context["annotation"]
    answer = as_ann.post(address("annotate_answer", chats, held.pk, "submit"), {"q.say": "kept words"})
    assert answer.status_code == 422
    assert "this question needs an answer" in answer.content.decode()
    assert "kept words" in answer.content.decode()


def test_a_draft_survives_and_is_on_the_page_again(waiting, chats, as_ann):
    waiting(1)
    held = as_ann.get(address("annotate", chats)).context["annotation"]
    target = address("annotate_answer", chats, held.pk, "draft")
    assert as_ann.post(target, {"q.tone": "loud", "seconds": "0.01"}, headers={HERE: "1"}).json()["line"]
    page = as_ann.get(address("annotate", chats))
    assert page.context["annotation"].answers == {"tone": "loud"}
    assert 'value="loud" checked' in page.content.decode()


def test_the_next_record_comes_as_a_fragment_and_nothing_as_204(waiting, chats, as_ann):
    waiting(2)
    held = as_ann.get(address("annotate", chats)).context["annotation"]
    answer = as_ann.post(address("annotate_ahead", chats), {"beside": held.pk})
    assert "<!doctype" not in answer.content.decode()
    assert answer.content.decode().count("data-task=") == 1
    as_ann.post(address("annotate_answer", chats, held.pk, "skip"), {"reason": "no"})
    other = Annotation.objects.get(state="open")
    assert as_ann.post(address("annotate_ahead", chats), {"beside": other.pk}).status_code == 204


def test_hostile_data_stays_text_on_the_page(chats, as_ann):
    evil = "<canary-x></canary-x>\"'></div>"
    tone = questions.create(
        chats, title=evil[:60], name="tone", kind="spans", options={"labels": [evil], "piece": "answer"}
    )
    record = make_record(chats, answer=evil)
    suggestions.put(
        chats,
        [
            {
                "record": record.pk,
                "question": tone.name,
                "value": [{"start": 0, "end": 2, "label": evil}],
                "source": evil,
            }
        ],
    )
    queue.fill(chats, chats.records.all())
    assert "<canary-x>" not in as_ann.get(address("annotate", chats)).content.decode()


def test_an_editor_adds_edits_moves_and_deletes_questions(chats, tone, as_bob):
    new = address("new_question", chats) + "?kind=label"
    sent = {"title": "Topic", "labels": "a = Sports\nb\n", "required": "on"}
    assert as_bob.post(new, sent).status_code == 302
    topic = chats.questions.get(name="topic")
    assert topic.options == {"labels": [{"value": "a", "text": "Sports"}, {"value": "b"}]}
    assert as_bob.post(new, sent | {"labels": "a\na"}).status_code == 422
    as_bob.post(address("question", chats, topic.pk), sent | {"title": "Which topic?", "name": "topic"})
    as_bob.post(address("move_question", chats, topic.pk), {"to": "up"})
    assert [one.title for one in chats.questions.all()] == ["Which topic?", "Tone"]
    as_bob.post(address("delete_question", chats, topic.pk))
    assert [one.title for one in chats.questions.all()] == ["Tone"]


def test_deleting_a_question_says_how_many_answers_there_are(waiting, chats, tone, ann, as_bob):
    answers.submit(queue.next_task(waiting(1), ann), {"tone": "loud"})
    assert "There is 1 answer to it" in as_bob.get(address("delete_question", chats, tone.pk)).content.decode()


def test_the_queue_is_set_up_filled_and_assigned_on_its_page(chats, tone, ann, as_bob):
    for number in range(4):
        make_record(chats, number)
    settings = {
        "is_open": "on",
        "overlap": 2,
        "order": "shuffled",
        "lock_minutes": 5,
        "honeypot_rate": 0,
        "guidelines": "# Hi",
    }
    as_bob.post(address("queue", chats), settings)
    for address_of, fields in (
        ("fill_queue", {"stauts": "new"}),
        ("assign_queue", {"users": [ann.pk], "_connector": "OR"}),
    ):
        as_bob.post(address(address_of, chats), fields)  # a filter misspelt takes nothing
        assert not Task.objects.exists()
    as_bob.post(address("fill_queue", chats), {"status": ""})
    as_bob.post(address("assign_queue", chats), {"users": [ann.pk], "how": "evenly"})
    box = Queue.objects.get()
    assert (box.overlap, box.order, box.tasks.filter(wanted=2).count(), Assignment.objects.count()) == (
        2,
        "shuffled",
        4,
        4,
    )
    assert "4" in as_bob.get(address("queue", chats)).content.decode()


def test_going_back_to_the_page_asks_for_it_anew(waiting, chats, as_ann):
    waiting(2)
    assert "no-store" in as_ann.get(address("annotate", chats)).headers["Cache-Control"]


def test_the_landing_shows_what_waits_once_there_is_a_queue(waiting, chats, as_ann, as_vic, as_charlie):
    waiting(3)
    landing = reverse("curation:review", args=[chats.project_id])
    page = as_ann.get(landing)
    assert page.context["queues"][0]["left"] == "3"
    link = f'href="{address("annotate", chats)}"'
    assert link in page.content.decode()
    assert "Waiting for you" in as_ann.get(landing).content.decode()
    seen = as_vic.get(landing).content.decode()
    assert link not in seen
    assert "Waiting for you" not in seen  # a viewer answers nothing
    assert as_charlie.get(landing).status_code == 404
    assert "/records/" in as_ann.get(landing + "?go").url


# --- the API ---------------------------------------------------------------------------------------


def send(client, method, path, body=None):
    return getattr(client, method)(path, json.dumps(body or {}), content_type="application/json")


@pytest.fixture
def keys(team, alice, bob, ann, vic, charlie):
    from django.test import Client

    from atelier.accounts.models import APIKey

    def client(user):
        home = user.teams.get()
        return Client(headers={"Authorization": f"Bearer {APIKey.issue(home, user, 'test')[1]}"})

    return {user.username: client(user) for user in (alice, bob, ann, vic, charlie)}


READ = [("questions", EVERYBODY), ("queue", EVERYBODY), ("annotations", EDITORS), ("annotations/mine", ANNOTATORS)]
WRITE = [
    ("post", "questions", {"title": "More", "kind": "comment"}, EDITORS),
    ("post", "questions/order", {"order": []}, EDITORS),
    ("patch", "queue", {"overlap": 2}, EDITORS),
    ("post", "queue/fill", {}, EDITORS),
    ("post", "queue/assign", {"users": ["ann"]}, EDITORS),
    ("post", "queue/next", {}, ANNOTATORS),
    ("post", "queue/undo", {}, ANNOTATORS),
    ("post", "suggestions", {"suggestions": []}, EDITORS),
]


@pytest.mark.parametrize(("path", "wanted"), READ)
def test_the_api_is_read_by_whom_it_is_meant_for(waiting, chats, keys, path, wanted):
    waiting(1)
    assert {who: client.get(api(chats, path)).status_code for who, client in keys.items()} == wanted


@pytest.mark.parametrize(("method", "path", "body", "wanted"), WRITE)
def test_the_api_refuses_changes_to_the_others(waiting, chats, keys, method, path, body, wanted):
    waiting(1)
    found = {who: send(client, method, api(chats, path), body).status_code for who, client in keys.items()}
    refused = {who: status for who, status in wanted.items() if status != 200}
    assert {who: found[who] for who in refused} == refused
    assert all(found[who] not in (403, 404) for who in wanted.keys() - refused.keys())


def test_the_api_goes_from_next_to_submit_and_back(waiting, chats, keys):
    waiting(2)
    ann = keys["ann"]
    given = send(ann, "post", api(chats, "queue/next")).json()
    pk = given["id"]
    assert given["record"]["messages"][0]["role"] == "user"
    kept = send(ann, "put", of_annotation(chats, pk, "draft"), {"answers": {"tone": "quiet"}}).json()
    assert kept["answers"] == {}
    wrong = send(ann, "post", of_annotation(chats, pk, "submit"), {"answers": {"tone": "quiet"}})
    assert (wrong.status_code, list(wrong.json()["faults"])) == (422, ["tone"])
    for _ in range(2):
        done = send(ann, "post", of_annotation(chats, pk, "submit"), {"answers": {"tone": "loud"}, "seconds": 0})
        assert (done.status_code, done.json()["state"]) == (200, "submitted")
    assert send(ann, "post", api(chats, "queue/undo")).json()["state"] == "open"
    for _ in range(2):
        assert send(ann, "post", of_annotation(chats, pk, "skip"), {"reason": "no"}).json()["state"] == "skipped"
    assert send(ann, "post", of_annotation(chats, pk, "submit"), {"answers": {"tone": "loud"}}).status_code == 409
    assert (
        send(keys["bob"], "post", of_annotation(chats, pk, "submit"), {"answers": {"tone": "loud"}}).status_code == 404
    )
    assert [one["state"] for one in ann.get(api(chats, "annotations/mine")).json()["items"]] == ["skipped"]


def test_a_submit_by_the_api_brings_the_next_record_along(waiting, chats, keys):
    waiting(3)
    ann = keys["ann"]
    at, seen = send(ann, "post", api(chats, "queue/next")).json()["id"], []
    ahead = send(ann, "post", api(chats, f"queue/next?beside={at}")).json()["id"]
    body = {"answers": {"tone": "loud"}}
    assert "next" not in send(ann, "post", of_annotation(chats, at, "submit"), body).json()
    again = send(ann, "post", of_annotation(chats, at, "submit") + "?with_next=true", body).json()
    assert (again["state"], again["next"]["id"]) == ("submitted", ahead)  # what they hold comes first
    at = ahead
    while at:
        done = send(ann, "post", of_annotation(chats, at, "submit") + "?with_next=true", body)
        seen.append(at)
        at = done.json()["next"] and done.json()["next"]["id"]
    assert len(seen) == 2
    assert Annotation.objects.filter(state="submitted").count() == 3
    wrong = send(ann, "post", of_annotation(chats, seen[-1], "submit") + "?with_next=true", {"answers": {"tone": "x"}})
    assert wrong.status_code == 422


def test_the_api_pages_all_annotations_and_hides_what_is_still_blind(waiting, chats, keys, ann):
    box = waiting(2, overlap=2)
    for tone in ("loud", "plain"):
        answers.submit(queue.next_task(box, ann), {"tone": tone})
    first = keys["bob"].get(api(chats, "annotations") + "?limit=1").json()
    assert first["items"][0] | {"answers": None, "is_hidden": True} == first["items"][0]
    rest = keys["bob"].get(api(chats, "annotations") + f"?limit=1&after={first['next']}").json()
    assert rest["next"] is None
    pk = send(keys["bob"], "post", api(chats, "queue/next")).json()["id"]
    send(keys["bob"], "post", of_annotation(chats, pk, "submit"), {"answers": {"tone": "plain"}})
    seen = keys["bob"].get(api(chats, "annotations")).json()["items"]
    assert [one["answers"] for one in seen if one["author"] == "ann"] == [{"tone": "loud"}, None]


def test_the_api_deletes_an_answered_question_only_when_told(waiting, chats, tone, keys, ann):
    answers.submit(queue.next_task(waiting(1), ann), {"tone": "loud"})
    target = api(chats, f"questions/{tone.pk}")
    assert keys["bob"].delete(target).status_code == 422
    assert keys["bob"].delete(target + "?force=true").status_code == 204
    assert Annotation.objects.get().answers == {"tone": "loud"}


def test_a_viewer_cannot_be_assigned_by_the_api(waiting, chats, keys, vic):
    waiting(1)
    answer = send(keys["bob"], "post", api(chats, "queue/assign"), {"users": ["vic"]})
    assert (answer.status_code, "can't annotate" in answer.json()["detail"]) == (422, True)


def test_a_webhook_hears_of_a_submit(waiting, chats, project, ann):
    from atelier.webhooks.models import Delivery, Webhook

    Webhook.objects.create(project=project, url="https://example.org/hook", events=["submitted"])
    answers.submit(queue.next_task(waiting(1), ann), {"tone": "loud"})
    body = Delivery.objects.get(event="submitted").body
    assert "loud" not in json.dumps(body)
    assert body["data"]["author"] == "ann"
