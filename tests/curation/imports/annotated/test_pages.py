"""Moving over on the page, by REST and by command, for every role."""

import io

import pytest
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command
from django.test import Client

from atelier.accounts.models import APIKey
from curation.imports import drafts
from curation.imports.annotated import plan
from curation.models import Annotation, Import
from curation.tasks import import_file
from tests.curation.imports.annotated.exports import LS, task, tasks_file


@pytest.fixture
def drafted(project, moved_into) -> Import:
    with (LS / "reviews_json.json").open("rb") as file:
        return drafts.begin(moved_into, None, file=File(file, name="reviews.json"), any_kind=True)


def address(job: Import) -> str:
    return f"/projects/{job.project_id}/data/imports/{job.pk}/annotated"


def form(job: Import, **more) -> dict:
    columns = {f"column.{n}": use for n, use in enumerate(["fields", "fields", "metadata", "key"])}
    return columns | {"kind": "documents", "do": "start"} | more


def test_an_export_is_known_on_the_import_screen_and_moved_by_hand(drafted, people, as_bob, bob):
    page = as_bob.get(f"/projects/{drafted.project_id}/data/imports/{drafted.pk}")
    assert page.url == address(drafted)
    shown = as_bob.get(address(drafted)).content.decode()
    assert "Import from Label Studio" in shown
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
    assert "Imported from Label Studio" in done
    assert "Use a snapshot" in done
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
    job = drafts.begin(moved_into, None, file=tasks_file(one), any_kind=True)
    assert "<script>alert" not in as_bob.get(address(job)).content.decode()
    drafts.confirm_unseen(job, None)
    import_file(job.pk)
    question = moved_into.questions.get()
    assert (question.name, question.title) == ("script_alert_1_script", evil)
    assert "<script>alert" not in as_bob.get(f"/projects/{project.pk}/data/imports/{job.pk}").content.decode()


def test_moving_over_by_the_api(moved_into, project, people, bob_api):
    url = f"/api/projects/{project.pk}/datasets/{moved_into.pk}/imports/annotated"

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
    found = bob_api.get(f"/api/projects/{project.pk}/imports/{answer.json()['id']}/annotated").json()
    assert found["annotated"]["from"] == "Label Studio"
    assert found["annotated"]["counts"] == {"annotations": 4, "suggestions": 0, "disputed": 1, "known": 0}
    assert found["annotated"]["left"]["predictions"]["count"] == 1
    assert Annotation.objects.filter(user=people["ann"]).count() == 3


def test_roles_at_the_api(drafted, moved_into, project, team, vic, ann, charlie, bob_api):
    url = f"/api/projects/{project.pk}/datasets/{moved_into.pk}/imports/annotated"
    seen = f"/api/projects/{project.pk}/imports/{drafted.pk}/annotated"
    for user, whose, sees, moves in (
        (vic, team, 200, 403),
        (ann, team, 200, 403),
        (charlie, charlie.memberships.get().team, 404, 404),
    ):
        _, key = APIKey.issue(whose, user, "k")
        client = Client(headers={"Authorization": f"Bearer {key}"})
        assert client.get(seen).status_code == sees
        assert client.post(url, {"file": tasks_file(task(1, "x"))}).status_code == moves
    other = drafts.begin(moved_into, None, file=ContentFile(b'{"text": "x"}\n', name="x.jsonl"), any_kind=True)
    assert bob_api.get(f"/api/projects/{project.pk}/imports/{other.pk}/annotated").status_code == 404
    assert bob_api.post(url, {"file": ContentFile(b'{"text": "x"}\n', name="x.jsonl")}).status_code == 422


def test_one_thing_that_could_not_be_taken_over_is_one_thing():
    job = Import(source={"moving": {"left": {"drafts": [1, "A draft by somebody else."]}}})
    assert plan.summary(job) == "1 thing could not be imported."


def test_the_command_moves_too(project, people):
    options = {"dataset": "Entities", "tool": "label-studio", "people": '{"user 2": "bob"}', "stdout": io.StringIO()}
    call_command("import_records", str(LS / "entities_json.json"), "--no-wait", **options)
    job = Import.objects.get()
    import_file(job.pk)
    job.refresh_from_db()
    sums = "5 added, 0 updated, 0 unchanged of 5 rows. 6 annotations, 1 task whose answers differ. 2 things could not be imported."
    assert (job.status, job.line) == ("done", sums)
    assert Annotation.objects.filter(user=people["bob"]).count() == 1
    with pytest.raises(CommandError, match="isn't a readable export of argilla"):
        call_command("import_records", str(LS / "entities_json.json"), dataset="No", tool="argilla")
