"""What Label Studio wrote comes over: tasks, answers, people, questions and predictions."""

import json
from collections import Counter

import pytest
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile

from curation.models import Annotation, Suggestion, Task
from tests.curation.imports.annotated.exports import LS, begun, by_key, move


def test_counts_of_tasks_annotations_and_labels_are_those_of_the_export(moved_into, people):
    held = json.loads((LS / "reviews_snapshot.json").read_text())
    job = move(moved_into, LS / "reviews_snapshot.json")
    assert (job.ok, job.failed, job.skipped) == (len(held), 0, 0)
    annotations = Annotation.objects.filter(record__dataset=moved_into)
    theirs = [one for one_task in held for one in one_task["annotations"]]
    assert annotations.filter(state="submitted").count() == sum(not one["was_cancelled"] for one in theirs)
    assert annotations.filter(state="skipped").count() == sum(one["was_cancelled"] for one in theirs)
    said = Counter(
        value
        for one in theirs
        if not one["was_cancelled"]
        for result in one["result"]
        if result["type"] == "choices"
        for value in result["value"]["choices"]
    )
    found: Counter[str] = Counter()
    for answers in annotations.filter(state="submitted").values_list("answers", flat=True):
        found.update([answers["sentiment"], *answers.get("topics", [])])
    assert found == said
    assert Suggestion.objects.filter(record__dataset=moved_into).count() == 5


def test_the_labelling_configuration_says_what_is_asked(moved_into, people):
    move(moved_into, LS / "reviews_snapshot.json", config=(LS / "reviews.xml").read_text())
    asked = {q.name: q for q in moved_into.questions.all()}
    assert {name: q.kind for name, q in asked.items()} == {
        "sentiment": "label", "topics": "labels", "stars": "rating", "length": "rating", "place": "labels",
        "remark": "comment", "visited": "comment",
    }  # fmt: skip
    assert [label["value"] for label in asked["sentiment"].options["labels"]] == ["Positive", "Negative", "Neutral"]
    assert {"value": "meal", "text": "food"} in asked["topics"].options["labels"]
    assert asked["length"].options == {"low": 0, "high": 10}
    assert [label["value"] for label in asked["place"].options["labels"]] == [
        "Europe", "Europe / Vienna", "Europe / Graz", "Asia", "Asia / Kyoto",
    ]  # fmt: skip
    assert asked["sentiment"].required
    assert not asked["topics"].required


def test_people_are_matched_by_email_and_times_come_along(moved_into, people):
    move(moved_into, LS / "reviews_snapshot.json")
    one = Annotation.objects.get(record__key="1", user=people["ann"])
    assert (one.author, one.source, one.seconds, one.state) == ("ann@atelier.test", "Label Studio", 12.5, "submitted")
    assert one.submitted_at.isoformat().startswith("2026-11-21T09:40:26.2")
    assert one.answers["remark"] == "Cold soup\nkind staff"


def test_who_is_nobody_here_stays_a_name(moved_into):
    job = move(moved_into, LS / "reviews_snapshot.json")
    assert set(Annotation.objects.filter(record__key="1").values_list("author", "user")) == {
        ("ann@atelier.test", None),
        ("bob@atelier.test", None),
    }
    left = job.source["moving"]["left"]
    assert left["drafts"] == [1, "A draft by ann@atelier.test, who isn't a member of this team."]


def test_numbers_of_people_are_told_who_they_are(moved_into, people):
    move(moved_into, LS / "reviews_json.json", people={"user 1": "ann", "user 2": ""})
    one, two = Annotation.objects.filter(record__key="1").order_by("pk")
    assert (one.user, two.user, two.author) == (people["ann"], None, "user 2")
    with pytest.raises(ValidationError, match="'mallory' isn't a member of this team"):
        begun(moved_into, LS / "reviews_json.json", people={"user 1": "mallory"})


def test_answers_alike_stand_and_others_are_disputed(moved_into, people):
    move(moved_into, LS / "reviews_snapshot.json")
    tasks = {one.record.key: one for one in Task.objects.select_related("record")}
    assert {key: (one.state, one.submitted, one.wanted) for key, one in tasks.items()} == {
        "1": ("disputed", 2, 2), "2": ("disputed", 2, 2), "3": ("done", 1, 1), "4": ("done", 2, 2), "5": ("done", 1, 1),
        "6": ("open", 0, 1),
    }  # fmt: skip
    assert tasks["4"].record.labels == ["Positive", "meal"]
    assert tasks["4"].known == {"sentiment": "Positive", "topics": ["meal"], "stars": 5}
    assert set(tasks["4"].annotations.values_list("is_right", flat=True)) == {True}
    skipped = tasks["3"].annotations.get(state="skipped")
    assert (skipped.skip_reason, skipped.user) == ("skipped in Label Studio", people["ann"])
    draft = tasks["6"].annotations.get()
    assert (draft.state, draft.answers, draft.user) == ("expired", {"sentiment": "Positive"}, people["ann"])


def test_predictions_are_suggestions_with_score_and_model(moved_into):
    move(moved_into, LS / "reviews_snapshot.json")
    found = Suggestion.objects.filter(record__key="5", question__name="sentiment").order_by("source")
    assert list(found.values_list("source", "value", "score")) == [
        ("sent-v1", "Negative", 0.31),
        ("sent-v2", "Positive", 0.87),
    ]


def test_what_the_export_only_numbers_is_listed_and_counted(moved_into):
    job = move(moved_into, LS / "reviews_json.json")
    assert job.source["moving"]["left"]["predictions"][0] == 3
    issue = job.issues.get(line=5)
    assert (issue.outcome, issue.code) == ("partly", "predictions")
    assert "Use a snapshot" in issue.message
    assert [one["item"] for one in json.loads(issue.raw)] == [1, 2]
    assert (job.ok, job.failed, job.skipped) == (6, 0, 0)


def test_a_rewrite_becomes_the_text_with_history(moved_into, people):
    move(moved_into, LS / "pairs_snapshot.json", config=(LS / "pairs.xml").read_text())
    records = by_key(moved_into)
    assert moved_into.questions.get(name="better").options == {"pieces": ["field:answer1", "field:answer2"]}
    record = records["13"]
    assert (record.fields["answer1"], record.revision) == ("The river number 1 is the Danube.", 2)
    change = record.changes.get()
    assert (change.user, change.action, change.revision) == (people["ann"], "annotate", 2)
    assert change.before["fields"]["answer1"] == "The river number 1 is the Danube, I think"
    assert record.task.answers["better"] == ["field:answer1", "field:answer2"]
    assert records["12"].task.state == "disputed"
    assert records["12"].fields["answer1"].endswith("I think")


def test_a_ranker_ranks(moved_into):
    move(moved_into, LS / "ranking_snapshot.json", config=(LS / "ranking.xml").read_text())
    answers = dict(Annotation.objects.values_list("record__key", "answers"))
    assert answers == {"16": {"order": ["m2", "m1", "m3"]}, "17": {"order": ["m1", "m3", "m2"]}}


def test_a_question_can_be_left_out_or_be_of_another_kind(moved_into):
    job = move(moved_into, LS / "reviews_snapshot.json", kinds={"stars": "", "sentiment": "labels"})
    assert not moved_into.questions.filter(name="stars").exists()
    assert moved_into.questions.get(name="sentiment").kind == "labels"
    assert set(job.source["moving"]["left"]) >= {"rating"}


def test_configurations_that_are_none_are_refused(moved_into):
    for config in ("<View>", "<View/>", '<!DOCTYPE x [<!ENTITY a "b">]><View/>'):
        with pytest.raises(ValidationError, match="labelling configuration"):
            begun(moved_into, LS / "reviews_json.json", config=config)


def test_other_files_are_not_moved(moved_into):
    with pytest.raises(ValidationError, match="isn't an export of Label Studio"):
        begun(moved_into, ContentFile(b'{"id": 1, "text": "x"}\n', name="x.jsonl"))
