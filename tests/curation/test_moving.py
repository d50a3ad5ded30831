"""Moving over from Label Studio and Argilla, with files that they wrote (tests/fixtures/README.md says how)."""

import io
import json
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command
from django.test import Client

from atelier.accounts.models import APIKey
from curation import datasets, importing, moving, moving_rows
from curation.models import Annotation, Dataset, Import, Suggestion, Task
from curation.tasks import import_file

FIXTURES = Path(__file__).parent.parent / "fixtures"
LS = FIXTURES / "label_studio"
ARGILLA = FIXTURES / "argilla"


@pytest.fixture
def moved_into(project, alice) -> Dataset:
    return datasets.create(project, alice, "Moved")


@pytest.fixture
def people(alice, bob, ann):
    """Ann and Bob by the e-mails that they had in Label Studio."""
    for user in (bob, ann):
        user.email = f"{user.username}@atelier.test"
        user.save()
    return {"ann": ann, "bob": bob}


def begun(dataset: Dataset, path: Path | ContentFile, **wishes) -> Import:
    file = path if isinstance(path, ContentFile) else File(path.open("rb"), name=path.name)
    job = importing.begin(dataset, None, file=file, name=file.name, any_kind=not dataset.records.exists())
    moving.wish(job, **wishes)
    job.save()
    importing.confirm_unseen(job, None)
    return job


def move(dataset: Dataset, path: Path | ContentFile, **wishes) -> Import:
    job = begun(dataset, path, **wishes)
    import_file(job.pk)
    job.refresh_from_db()
    assert (job.status, job.error) == ("done", ""), job.error
    return job


def tasks_file(*tasks: dict) -> ContentFile:
    return ContentFile(json.dumps(list(tasks)).encode(), name="tasks.json")


def task(number: int, text: str, *results: list, **more) -> dict:
    annotations = [{"id": n, "completed_by": n, "result": found} for n, found in enumerate(results, 1)]
    return {"id": number, "data": {"text": text}, "annotations": annotations} | more


def choice(value: str) -> dict:
    return {"from_name": "tone", "to_name": "text", "type": "choices", "value": {"choices": [value]}}


def by_key(dataset: Dataset) -> dict:
    return {record.key: record for record in dataset.records.present()}


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
    assert left["drafts"] == [1, "A draft by ann@atelier.test, who is nobody in this team."]


def test_numbers_of_people_are_told_who_they_are(moved_into, people):
    move(moved_into, LS / "reviews_json.json", people={"user 1": "ann", "user 2": ""})
    one, two = Annotation.objects.filter(record__key="1").order_by("pk")
    assert (one.user, two.user, two.author) == (people["ann"], None, "user 2")
    with pytest.raises(ValidationError, match="no 'mallory' in this team"):
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
    assert "take it from a snapshot" in issue.message
    assert [one["item"] for one in json.loads(issue.raw)] == [1, 2]
    assert (job.ok, job.failed, job.skipped) == (6, 0, 0)


@pytest.mark.parametrize("form", ["snapshot", "json", "json_min"])
def test_spans_mark_the_same_characters(moved_into, form):
    held = json.loads((LS / "entities_snapshot.json").read_text())
    move(moved_into, LS / f"entities_{form}.json")
    theirs = Counter(
        (str(one_task["id"]), result["value"]["text"], result["value"]["labels"][0])
        for one_task in held
        for one in one_task["annotations"]
        for result in one["result"]
        if result["type"] == "labels"
    )
    ours: Counter[tuple[str, str, str]] = Counter()
    for one in Annotation.objects.select_related("record"):
        text = one.record.fields["article"]
        ours.update((one.record.key, text[s["start"] : s["end"]], s["label"]) for s in one.answers["entities"])
    assert ours == theirs


@pytest.mark.parametrize(
    ("text", "start", "end", "said"),
    [
        ("\U0001f600 Anna", 3, 7, "Anna"),  # counted in UTF-16 units, as browsers do
        ("one\r\n\r\nAnna", 5, 9, "Anna"),  # CRLF counted as one
        ("\U0001f600\r\nAnna", 3, 7, "Anna"),  # both
        ("Anna \U0001f1e6\U0001f1f9 Anna", 10, 14, "Anna"),
        ("a line\r\nbreak", 2, 12, "line\\nbreak"),  # a break written as two characters
    ],
)
def test_places_counted_in_other_ways_are_found_by_their_words(moved_into, text, start, end, said):
    value = {"start": start, "end": end, "text": said, "labels": ["x"]}
    move(
        moved_into,
        tasks_file(task(1, text, [{"from_name": "ner", "to_name": "text", "type": "labels", "value": value}])),
    )
    (span,) = Annotation.objects.get().answers["ner"]
    assert text[span["start"] : span["end"]].replace("\r\n", "\\n") == said
    assert span["start"] == text.rindex(said[:4])


def test_spans_of_shown_html_lie_in_its_source(moved_into):
    text = "<p>Tom &amp; <b>Anna</b></p>"
    value = {
        "start": "/p[1]",
        "end": "/p[1]",
        "globalOffsets": {"start": 6, "end": 10},
        "text": "Anna",
        "hypertextlabels": ["x"],
    }
    result = {"from_name": "ner", "to_name": "text", "type": "hypertextlabels", "value": value}
    move(moved_into, tasks_file(task(1, text, [result])))
    assert Annotation.objects.get().answers["ner"] == [{"start": 16, "end": 20, "label": "x"}]


def test_a_span_whose_words_stand_elsewhere_is_left_and_listed(moved_into):
    value = {"start": 0, "end": 4, "text": "Karl", "labels": ["x"]}
    result = {"from_name": "ner", "to_name": "text", "type": "labels", "value": value}
    job = move(moved_into, tasks_file(task(1, "Anna and Bob", [result])))
    assert (job.issues.get().code, job.source["moving"]["left"]["span-place"][0]) == ("span-place", 1)


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


def test_moving_again_adds_nothing_twice(moved_into, people):
    move(moved_into, LS / "reviews_snapshot.json")
    before = [model.objects.count() for model in (Annotation, Suggestion, Task)]
    job = move(moved_into, LS / "reviews_snapshot.json")
    assert (job.ok, job.updated, job.skipped, job.failed) == (0, 0, 6, 0)
    assert before == [model.objects.count() for model in (Annotation, Suggestion, Task)]
    assert moved_into.records.count() == 6
    assert job.line.startswith("0 added, 0 updated, 6 unchanged of 6 rows.")


def test_a_later_export_adds_what_is_new(moved_into):
    move(moved_into, tasks_file(task(1, "one", [choice("plain")]), task(2, "two")))
    job = move(
        moved_into, tasks_file(task(1, "one", [choice("plain")], [choice("loud")]), task(3, "three", [choice("soft")]))
    )
    assert (job.ok, job.updated) == (2, 1)
    assert Annotation.objects.filter(record__key="1").count() == 2
    assert by_key(moved_into)["1"].task.state == "disputed"
    assert [label["value"] for label in moved_into.questions.get().options["labels"]] == ["plain", "loud", "soft"]


def test_a_record_of_the_same_id_from_elsewhere_is_not_touched(moved_into):
    job = importing.begin(
        moved_into, None, file=ContentFile(b'{"id": "1", "text": "mine"}\n', name="a.jsonl"), any_kind=True
    )
    importing.confirm_unseen(job, importing.mapping_from({"kind": "documents", "fields": ["text"], "key": "id"}))
    import_file(job.pk)
    job = move(moved_into, tasks_file(task(1, "theirs", [choice("plain")])))
    assert (job.ok, job.failed, job.issues.get().code) == (0, 1, "id-taken")
    assert not Annotation.objects.exists()


def test_one_person_twice_counts_once_and_is_listed(moved_into):
    twice = task(1, "one", [choice("plain")], [choice("loud")])
    for one, date in zip(twice["annotations"], ("2026-01-01T10:00:00Z", "2026-01-02T10:00:00Z"), strict=True):
        one |= {"completed_by": 7, "created_at": date, "updated_at": date}
    job = move(moved_into, tasks_file(twice))
    assert Annotation.objects.get().answers == {"tone": "loud"}
    assert job.source["moving"]["left"]["second-answer"][0] == 1


def test_a_killed_move_goes_on_and_doubles_nothing(moved_into, monkeypatch):
    monkeypatch.setattr(moving_rows, "SIZE", 10)
    job = begun(
        moved_into, tasks_file(*(task(n, f"text {n}", [choice("plain" if n % 2 else "loud")]) for n in range(35)))
    )
    whole, writes = moving_rows.Batch.write, []

    def third_is_killed(self, *args):
        whole(self, *args)
        writes.append(1)
        if len(writes) == 3:
            raise SystemExit

    monkeypatch.setattr(moving_rows.Batch, "write", third_is_killed)
    with pytest.raises(SystemExit):
        import_file(job.pk)
    assert moved_into.records.count() == Annotation.objects.count() == 20
    import_file(job.pk)
    job.refresh_from_db()
    assert (job.status, job.ok, job.source["moving"]["counts"]["annotations"]) == ("done", 35, 35)
    assert moved_into.records.count() == Annotation.objects.count() == Task.objects.count() == 35


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
    with pytest.raises(ValidationError, match="no export of Label Studio"):
        begun(moved_into, ContentFile(b'{"id": 1, "text": "x"}\n', name="x.jsonl"))


# --- Argilla ---------------------------------------------------------------------------------------


def zipped(tmp_path: Path) -> Path:
    """The folder that `to_disk` writes, as a zip."""
    with zipfile.ZipFile(tmp_path / "dataset.zip", "w") as archive:
        for name in ("records.json", ".argilla/settings.json"):
            archive.write(ARGILLA / name, name)
    return tmp_path / "dataset.zip"


def test_an_argilla_dataset_comes_with_its_settings(moved_into, tmp_path, people):
    ids = {"11111111-1111-4111-8111-111111111111": "ann", "22222222-2222-4222-8222-222222222222": "bob"}
    job = move(moved_into, zipped(tmp_path), people=ids)
    assert (job.ok, job.failed, job.skipped) == (4, 0, 0)
    asked = {q.name: (q.kind, q.title) for q in moved_into.questions.all()}
    assert asked == {
        "quality": ("label", "How good?"), "issues": ("labels", "issues"), "score": ("rating", "score"),
        "better": ("text", "Write it better"), "why": ("comment", "Why?"), "order": ("ranking", "order"),
        "names": ("spans", "names"),
    }  # fmt: skip
    assert moved_into.questions.get(name="score").options == {"low": 0, "high": 5}
    assert moved_into.queue.guidelines == "## Be kind\nRead twice."
    record = by_key(moved_into)["r1"]
    one = record.annotations.get(user=people["ann"])
    assert one.answers["order"] == ["second", "first", "third"]
    text = record.fields["prompt"]
    assert [text[s["start"] : s["end"]] for s in one.answers["names"]] == ["Anna", "Graz"]
    assert record.metadata == {"argilla_metadata": {"source": "forum", "length": 28}}
    assert set(record.suggestions.values_list("question__name", "source", "score")) == {
        ("quality", "judge-1", 0.8),
        ("names", "ner", 0.5),
    }
    assert job.source["moving"]["left"]["ranking"][0] == 1  # two answers shared a rank


def test_argillas_table_for_datasets_knows_drafts_and_discarded(moved_into, people):
    ids = {"11111111-1111-4111-8111-111111111111": "ann", "22222222-2222-4222-8222-222222222222": "bob"}
    job = move(moved_into, ARGILLA / "train.parquet", people=ids)
    states = set(Annotation.objects.filter(record__key="r3").values_list("author", "state"))
    assert states == {
        ("11111111-1111-4111-8111-111111111111", "expired"),
        ("22222222-2222-4222-8222-222222222222", "skipped"),
    }
    assert job.source["moving"]["left"]["label"][0] >= 2  # suggested labels that the table only numbers


# --- the pages and the API -------------------------------------------------------------------------


@pytest.fixture
def drafted(project, moved_into) -> Import:
    with (LS / "reviews_json.json").open("rb") as file:
        return importing.begin(moved_into, None, file=File(file, name="reviews.json"), any_kind=True)


def address(job: Import) -> str:
    return f"/projects/{job.project_id}/data/imports/{job.pk}/moving"


def form(job: Import, **more) -> dict:
    columns = {f"column.{n}": use for n, use in enumerate(["fields", "fields", "metadata", "key"])}
    return columns | {"kind": "documents", "do": "start"} | more


def test_an_export_is_known_on_the_import_screen_and_moved_by_hand(drafted, people, as_bob, bob):
    page = as_bob.get(f"/projects/{drafted.project_id}/data/imports/{drafted.pk}")
    assert page.url == address(drafted)
    shown = as_bob.get(address(drafted)).content.decode()
    assert "Move over from Label Studio" in shown
    for words in ("sentiment", "Negative", "user 1", "1 to 5", "The soup was cold"):
        assert words in shown
    wrong = as_bob.post(address(drafted), form(drafted, config="<View"))
    assert (wrong.status_code, "not valid XML" in wrong.content.decode()) == (422, True)
    nobody = as_bob.post(address(drafted), form(drafted, **{"who:user 1": "charlie"}))
    assert nobody.status_code == 422
    unkeyed = as_bob.post(address(drafted), form(drafted, **{"column.3": "metadata"}))
    assert "must stay “label_studio_id”" in unkeyed.content.decode()
    choices = {
        "who:user 1": "ann",
        "who:user 2": "bob",
        "kind:stars": "",
        "was:stars": "rating",
        "kind:sentiment": "label",
    }
    tried = as_bob.post(address(drafted), form(drafted, do="preview", **choices))
    assert tried.status_code == 200
    assert as_bob.post(address(drafted), form(drafted, **choices)).status_code == 302
    import_file(drafted.pk)
    assert Annotation.objects.filter(record__key="1", user=people["ann"]).exists()
    assert not drafted.dataset.questions.filter(name="stars").exists()
    done = as_bob.get(f"/projects/{drafted.project_id}/data/imports/{drafted.pk}").content.decode()
    assert "Moved over from Label Studio" in done
    assert "take it from a snapshot" in done
    assert as_bob.get(address(drafted)).status_code == 302


def test_only_editors_move(drafted, as_alice, as_bob, as_ann, as_vic, as_charlie):
    for client, sees, starts in (
        (as_charlie, 404, 404), (as_vic, 200, 403), (as_ann, 200, 403), (as_bob, 200, 422), (as_alice, 200, 422),
    ):  # fmt: skip
        assert client.get(address(drafted)).status_code == sees
        assert client.post(address(drafted), {"kind": "documents"}).status_code == starts
    drafted.refresh_from_db()
    assert not drafted.confirmed


def test_hostile_names_are_text(moved_into, project, as_bob):
    evil = "<script>alert(1)</script>"
    result = {"from_name": evil, "to_name": "text", "type": "choices", "value": {"choices": [evil]}}
    one = task(1, evil, [result])
    one["annotations"][0]["completed_by"] = {"email": evil}
    job = importing.begin(moved_into, None, file=tasks_file(one), any_kind=True)
    assert "<script>alert" not in as_bob.get(address(job)).content.decode()
    importing.confirm_unseen(job, None)
    import_file(job.pk)
    question = moved_into.questions.get()
    assert (question.name, question.title) == ("script_alert_1_script", evil)
    assert "<script>alert" not in as_bob.get(f"/projects/{project.pk}/data/imports/{job.pk}").content.decode()


def test_moving_over_by_the_api(moved_into, project, people, bob_api):
    url = f"/api/projects/{project.pk}/datasets/{moved_into.pk}/moves"

    def sent(**more):
        with (LS / "pairs_json.json").open("rb") as file:
            body = {"file": file, "labeling_config": (LS / "pairs.xml").read_text(), "people": '{"user 1": "ann"}'}
            return bob_api.post(url, body | more, headers={"Idempotency-Key": "pairs-1"})

    assert sent(people="{").status_code == 422
    assert sent(people='{"user 1": "charlie"}').status_code == 422
    assert not project.imports.exists()
    answer = sent()
    assert answer.status_code == 202
    assert sent().json()["id"] == answer.json()["id"]
    import_file(answer.json()["id"])
    found = bob_api.get(f"/api/projects/{project.pk}/imports/{answer.json()['id']}/moved").json()
    assert found["moved"]["from"] == "Label Studio"
    assert found["moved"]["counts"] == {"annotations": 4, "suggestions": 0, "disputed": 1, "known": 0}
    assert found["moved"]["left"]["predictions"]["count"] == 1
    assert Annotation.objects.filter(user=people["ann"]).count() == 3


def test_roles_at_the_api(drafted, moved_into, project, team, vic, ann, charlie, bob_api):
    url = f"/api/projects/{project.pk}/datasets/{moved_into.pk}/moves"
    seen = f"/api/projects/{project.pk}/imports/{drafted.pk}/moved"
    for user, whose, sees, moves in (
        (vic, team, 200, 403),
        (ann, team, 200, 403),
        (charlie, charlie.memberships.get().team, 404, 404),
    ):
        _, key = APIKey.issue(whose, user, "k")
        client = Client(headers={"Authorization": f"Bearer {key}"})
        assert client.get(seen).status_code == sees
        assert client.post(url, {"file": tasks_file(task(1, "x"))}).status_code == moves
    other = importing.begin(moved_into, None, file=ContentFile(b'{"text": "x"}\n', name="x.jsonl"), any_kind=True)
    assert bob_api.get(f"/api/projects/{project.pk}/imports/{other.pk}/moved").status_code == 404
    assert bob_api.post(url, {"file": ContentFile(b'{"text": "x"}\n', name="x.jsonl")}).status_code == 422


def test_the_command_moves_too(project, people):
    options = {"dataset": "Entities", "tool": "label-studio", "people": '{"user 2": "bob"}', "stdout": io.StringIO()}
    call_command("import_records", str(LS / "entities_json.json"), "--no-wait", **options)
    job = Import.objects.get()
    import_file(job.pk)
    job.refresh_from_db()
    sums = "5 added, 0 updated, 0 unchanged of 5 rows. 6 annotations, 1 task whose answers differ. 2 things could not be taken over."
    assert (job.status, job.line) == ("done", sums)
    assert Annotation.objects.filter(user=people["bob"]).count() == 1
    with pytest.raises(CommandError, match="no export of argilla"):
        call_command("import_records", str(LS / "entities_json.json"), dataset="No", tool="argilla")
