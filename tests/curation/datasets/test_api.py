"""REST of the data side: the same verbs as the pages."""

import orjson
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from atelier.accounts.models import APIKey
from curation.datasets import settings
from curation.models import Check, Dataset, Export, Import, Mention, Record
from curation.records import changes, derived
from curation.tasks import import_file


@pytest.fixture
def chats(project, alice) -> Dataset:
    return settings.create(project, alice, "Chats")


@pytest.fixture
def root(project) -> str:
    return f"/api/projects/{project.pk}"


def chat(text: str) -> dict:
    return {"messages": [{"role": "user", "content": f"Say {text}"}, {"role": "assistant", "content": text}]}


def make(dataset: Dataset, text: str) -> Record:
    record = Record(dataset=dataset, **chat(text))
    derived.complete(record).save()
    return record


def send(client, method: str, path: str, body=None, **headers):
    return getattr(client, method)(
        path, orjson.dumps(body) if body is not None else b"", content_type="application/json", headers=headers
    )


def test_a_dataset_is_made_read_changed_and_deleted(root, bob_api):
    made = send(bob_api, "post", f"{root}/datasets", {"name": "New", "kind": "documents"})
    assert made.status_code == 201
    one = f"{root}/datasets/{made.json()['id']}"
    assert send(bob_api, "post", f"{root}/datasets", {"name": "New"}).status_code == 422
    assert send(bob_api, "post", f"{root}/datasets", {"name": "X", "project": 3}).status_code == 422
    changed = send(bob_api, "patch", one, {"shares": {"train": 1.0}, "name": "Renamed"}).json()
    assert (changed["name"], changed["shares"]["train"], changed["kind"]) == ("Renamed", 1.0, "documents")
    assert send(bob_api, "patch", one, {"shares": {"train": 2}}).status_code == 422
    assert [row["name"] for row in bob_api.get(f"{root}/datasets").json()] == ["Renamed"]
    gone = bob_api.delete(one)
    assert (gone.status_code, gone.json()["status"]) == (202, "done")
    assert bob_api.get(one).status_code == 404


def test_rows_are_imported_once_for_one_key(root, chats, bob_api):
    path = f"{root}/datasets/{chats.pk}/imports"
    first = send(bob_api, "post", path, {"rows": [chat("one"), {"x": 1}]}, **{"Idempotency-Key": "k1"})
    again = send(bob_api, "post", path, {"rows": [chat("one"), {"x": 1}]}, **{"Idempotency-Key": "k1"})
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["id"] == again.json()["id"]
    import_file(first.json()["id"])
    job = bob_api.get(f"{root}/imports/{first.json()['id']}").json()
    assert (job["status"], job["ok"], job["failed"]) == ("done", 1, 1)
    issues = bob_api.get(f"{root}/imports/{job['id']}/issues").json()
    assert (issues["items"][0]["line"], issues["next"]) == (2, None)


def test_a_file_is_imported_with_a_mapping(root, chats, bob_api):
    file = SimpleUploadedFile("rows.csv", b"q,a\nWhy?,Because.\n")
    mapping = orjson.dumps({"kind": "conversations", "roles": {"q": "user", "a": "assistant"}}).decode()
    answer = bob_api.post(f"{root}/datasets/{chats.pk}/imports/file", {"file": file, "mapping": mapping})
    assert answer.status_code == 202
    import_file(answer.json()["id"])
    assert chats.records.get().messages[1]["content"] == "Because."


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"rows": [], "url": "http://x"},
        {"url": "ftp://x/y"},
        {"url": "http://127.0.0.1/"},
        {"rows": [{"messages": []}], "mapping": {"kind": "poems"}},
        {"rows": []},
    ],
)
def test_what_cannot_be_imported_is_refused_and_leaves_nothing(root, chats, bob_api, body):
    answer = send(bob_api, "post", f"{root}/datasets/{chats.pk}/imports", body)
    assert answer.status_code == 422
    assert not Import.objects.exists()


def test_records_are_listed_by_filters_and_keys(root, chats, bob_api):
    for n in range(5):
        make(chats, f"number {n}")
    path = f"{root}/datasets/{chats.pk}/records"
    page = bob_api.get(path, {"limit": 2, "sort": "oldest"}).json()
    rest = bob_api.get(path, {"limit": 10, "sort": "oldest", "after": page["next"]}).json()
    assert (page["count"], len(page["items"]), len(rest["items"]), rest["next"]) == (5, 2, 3, None)
    assert bob_api.get(path, {"q": "number 3"}).json()["count"] == 1
    assert bob_api.get(path, {"status": "x"}).status_code == 422
    assert bob_api.get(path, {"after": "x"}).status_code == 422


def test_a_patch_needs_the_revision_that_was_read(root, chats, bob_api):
    path = f"{root}/datasets/{chats.pk}/records/{make(chats, 'one').pk}"
    assert send(bob_api, "patch", path, {"revision": 1, "status": "accepted"}).json()["revision"] == 2
    stale = send(bob_api, "patch", path, {"revision": 1, **chat("two")})
    assert (stale.status_code, stale.json()["record"]["status"]) == (409, "accepted")
    assert send(bob_api, "patch", path, {"revision": 2, **chat("two")}).json()["messages"][1]["content"] == "two"
    assert send(bob_api, "patch", path, {"revision": 3, "dataset_id": 9}).status_code == 422
    assert send(bob_api, "patch", path, {"revision": 3, **chat("a\x00b")}).status_code == 422
    assert [row["action"] for row in bob_api.get(f"{path}/changes").json()] == ["edit", "review"]


def test_many_records_are_changed_and_put_back(root, chats, bob_api):
    for n in range(3):
        make(chats, f"number {n}")
    path = f"{root}/datasets/{chats.pk}/bulk"
    job = send(bob_api, "post", path, {"action": "delete", "filters": {"q": "number"}}).json()
    assert (job["status"], job["changed"]) == ("done", 3)
    undone = bob_api.post(f"{root}/bulk/{job['id']}/undo").json()
    assert (undone["undoes"], undone["changed"]) == (job["id"], 3)
    assert bob_api.get(f"{root}/bulk/{undone['id']}").json()["status"] == "done"
    for body in (
        {"action": "accept"},
        {"action": "accept", "ids": []},
        {"action": "undo", "ids": [1]},
        {"action": "accept", "filters": {"sort": "x"}},
    ):
        assert send(bob_api, "post", path, body).status_code == 422


def test_strangers_and_small_roles_are_kept_out(root, chats, team, vic, charlie, client):
    record = make(chats, "one")
    _, vics = APIKey.issue(team, vic, "v")
    _, strangers = APIKey.issue(charlie.memberships.get().team, charlie, "c")
    base = f"{root}/datasets/{chats.pk}"
    calls = [
        ("get", f"{root}/datasets", None, False), ("get", base, None, False), ("get", f"{base}/records", None, False),
        ("get", f"{base}/records/{record.pk}", None, False), ("get", f"{base}/records/{record.pk}/changes", None, False),
        ("get", f"{root}/imports", None, False), ("post", f"{root}/datasets", {"name": "N"}, True), ("patch", base, {"name": "N"}, True),
        ("delete", base, None, True), ("post", f"{base}/imports", {"rows": [chat("x")]}, True),
        ("patch", f"{base}/records/{record.pk}", {"revision": 1, "status": "accepted"}, True),
        ("post", f"{base}/bulk", {"action": "accept", "filters": {}}, True),
    ]  # fmt: skip
    for method, path, body, writes in calls:
        assert send(client, method, path, body, Authorization=f"Bearer {strangers}").status_code == 404, path
        assert send(client, method, path, body, Authorization=f"Bearer {vics}").status_code == (
            403 if writes else 200
        ), path
        assert send(client, method, path, body).status_code == 401


def test_the_same_key_makes_one_dataset_and_one_project(root, team, project, bob_api):
    first, again = (
        send(bob_api, "post", f"{root}/datasets", {"name": name}, **{"Idempotency-Key": "k"}) for name in ("One", "Two")
    )
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["id"] == again.json()["id"]
    assert [dataset.name for dataset in project.datasets.all()] == ["One"]
    made = [send(bob_api, "post", "/api/projects", {"name": "Fresh"}, **{"Idempotency-Key": "k"}) for _ in range(2)]
    assert [answer.status_code for answer in made] == [201, 201]
    assert team.projects.filter(name="Fresh").count() == 1
    other = send(bob_api, "post", "/api/projects", {"name": "Fresh"}, **{"Idempotency-Key": "another"})
    assert other.status_code == 422


def test_two_who_make_the_same_dataset_at_the_same_moment_get_one(project, alice, monkeypatch):
    """Both looked before either wrote: the database decides, and the second gets the first's."""
    real, looked = settings.free_name, []

    def late(of, name, besides=None):
        looked.append(name)
        found = real(of, name, besides)
        if len(looked) == 1:
            settings.create(of, alice, name, key="k")
        return found

    monkeypatch.setattr(settings, "free_name", late)
    made = settings.create(project, alice, "Same", key="k")
    assert project.datasets.get() == made
    assert len(looked) == 2


@pytest.mark.parametrize("sort", ["newest", "oldest", "changed", "longest", "shortest"])
def test_pages_hold_each_record_once_though_some_were_changed(root, chats, bob_api, bob, sort):
    """Enough records that an index gives the pages; `next` goes into the address as it is."""
    made = [make(chats, f"word {number} " * (number % 4)) for number in range(1, 13)]
    for record in made[::2]:
        changes.review(record, bob, "accept")
    seen, place = [], ""
    for _ in made:
        page = bob_api.get(f"{root}/datasets/{chats.pk}/records?limit=1&sort={sort}{place}").json()
        seen += [item["id"] for item in page["items"]]
        place = f"&after={page['next']}"
    assert sorted(seen) == [record.pk for record in made]
    assert page["next"] is None


def test_a_record_s_history_comes_by_pages_and_names_who_reviewed(root, chats, bob_api, bob):
    record = make(chats, "one")
    for action in ("accept", "reject", "reopen"):
        changes.review(Record.objects.get(pk=record.pk), bob, action)
    path = f"{root}/datasets/{chats.pk}/records/{record.pk}/changes"
    reopened, rejected, accepted = bob_api.get(path).json()
    assert (reopened["before"]["reviewed_by"], reopened["after"]["reviewed_by"]) == ("bob", None)
    assert accepted["before"] == {"status": "new", "reviewed_by": None}
    assert not any("reviewed_by_id" in change[side] for change in (reopened, accepted) for side in ("before", "after"))
    assert [one["id"] for one in bob_api.get(f"{path}?before={rejected['id']}").json()] == [accepted["id"]]


def test_lists_of_the_project_come_by_pages(root, project, chats, alice, bob, bob_api):
    record = make(chats, "one")
    for number in range(3):
        settings.create(project, alice, f"More {number}")
        Import.objects.create(project=project, dataset=chats, created_by=alice, status="draft")
        Export.objects.create(project=project, dataset=chats, created_by=alice, format="chat")
        Check.objects.create(project=project, dataset=chats, status="done", idempotency_key=str(number))
        Mention.objects.create(user=bob, record=record, line="ann named you")
    downwards = [(path, -1, "before") for path in ("imports", "exports", "checks", "mentions")]
    for path, sign, cursor in (("datasets", 1, "after"), *downwards):
        whole = [one["id"] for one in bob_api.get(f"{root}/{path}").json()]
        assert whole == sorted(whole, key=lambda pk, sign=sign: sign * pk)
        first = [one["id"] for one in bob_api.get(f"{root}/{path}?limit=2").json()]
        rest = [one["id"] for one in bob_api.get(f"{root}/{path}?limit=200&{cursor}={first[-1]}").json()]
        assert len(first) == 2
        assert first + rest == whole
        assert bob_api.get(f"{root}/{path}?limit=0").status_code == 422
    assert [one["id"] for one in bob_api.get("/api/projects?limit=1").json()] == [project.pk]
    assert bob_api.get(f"/api/projects?after={project.pk}").json() == []


@pytest.mark.parametrize("bad", ["a\\u0000b", "a\\ud800b"])
def test_a_row_that_cannot_be_stored_is_an_issue_and_the_others_come_in(project, bob_api, bad):
    """Rows are judged one by one, also those of a request."""
    dataset = Dataset.objects.create(project=project, name="Raw", kind=Dataset.Kind.DOCUMENTS)
    body = '{"rows": [{"text": "first"}, {"text": "%s"}, {"text": "third", "n": %s}]}' % (bad, "9" * 30)  # noqa: UP031
    root = f"/api/projects/{project.pk}"
    made = bob_api.post(f"{root}/datasets/{dataset.pk}/imports", body, content_type="application/json")
    assert made.status_code == 202
    import_file(made.json()["id"])
    (issue,) = bob_api.get(f"{root}/imports/{made.json()['id']}/issues").json()["items"]
    assert issue["line"] == 2
    assert sorted(record.fields["text"] for record in dataset.records.all()) == ["first", "third"]
