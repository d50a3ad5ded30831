"""The pages of the data side: who may open them, and what they do."""

import re

import orjson
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from curation.datasets import settings as dataset_settings
from curation.imports import drafts
from curation.models import BulkAction, Change, Dataset, Deletion, Export, Import, ImportIssue, Record, Task, Version
from curation.records import derived

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def chats(project, alice) -> Dataset:
    return dataset_settings.create(project, alice, "Chats")


def make(dataset: Dataset, text: str, **more) -> Record:
    record = Record(
        dataset=dataset,
        messages=[{"role": "user", "content": f"Say {text}"}, {"role": "assistant", "content": text}],
        **more,
    )
    derived.complete(record).save()
    return record


def upload(rows: list[dict], name: str = "rows.jsonl") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, b"\n".join(orjson.dumps(row) for row in rows))


def chat_row(text: str) -> dict:
    return {"messages": [{"role": "user", "content": f"Say {text}"}, {"role": "assistant", "content": text}]}


@pytest.fixture
def places(project, chats, alice, settings) -> dict[str, tuple[str, list[int]]]:
    """Return every page of this part with its URL and the role it needs."""
    record = make(chats, "one")
    change = Change.objects.create(record=record, actor="alice", action="edit")
    job = drafts.begin(chats, alice, file=upload([chat_row("two")]))
    bulk = BulkAction.objects.create(project=project, dataset=chats, created_by=alice, action="accept", status="done")
    out = Export.objects.create(project=project, dataset=chats, format="chat", status="done")
    end = Deletion.objects.create(project=project, name="Gone", status="done")
    row = ImportIssue.objects.create(parent=job, line=9, outcome="failed", code="not-json", message="No.", raw="[1]")
    p, d, r = project.pk, chats.pk, record.pk
    return {
        "GET viewer": [
            ("data", [p]), ("imports", [p]), ("import", [p, job.pk]), ("import_progress", [p, job.pk]), ("import_issues", [p, job.pk]),
            ("import_issues_file", [p, job.pk, "csv"]), ("import_issues_file", [p, job.pk, "jsonl"]), ("bulk", [p, bulk.pk]),
            ("bulk_progress", [p, bulk.pk]), ("dataset", [p, d]), ("record", [p, d, r]), ("review", [p]),
            ("deletion", [p, end.pk]), ("deletion_progress", [p, end.pk]),
            ("exports", [p]), ("export", [p, out.pk]), ("export_progress", [p, out.pk]),
        ],
        "GET editor": [
            ("new_dataset", [p]), ("new_import", [p]), ("dataset_settings", [p, d]), ("delete_dataset", [p, d]),
            ("new_export", [p, d]), ("export_file", [p, out.pk]), ("delete_export", [p, out.pk]),
            ("fix_issue", [p, job.pk, row.pk]),
        ],
        "POST annotator": [
            ("change_records", [p, d]), ("review_record", [p, d, r]), ("edit_record", [p, d, r]),
            ("restore_record", [p, d, r, change.pk]), ("undo_bulk", [p, bulk.pk]), ("bulk_move", [p, bulk.pk, "cancel"]),
        ],
        "POST editor": [
            ("new_dataset", [p]), ("new_import", [p]), ("dataset_settings", [p, d]), ("start_import", [p, job.pk]),
            ("import_move", [p, job.pk, "cancel"]), ("delete_dataset", [p, d]),
            ("new_export", [p, d]), ("export_move", [p, out.pk, "cancel"]), ("delete_export", [p, out.pk]),
            ("fix_issue", [p, job.pk, row.pk]), ("retry_deletion", [p, end.pk]),
        ],
    }  # fmt: skip


def test_charlie_sees_none_of_it(places, as_charlie):
    for key, found in places.items():
        for name, args in found:
            answer = getattr(as_charlie, key.split()[0].lower())(reverse(f"curation:{name}", args=args))
            assert answer.status_code == 404, name


def test_a_role_that_is_too_small_is_refused(places, as_vic, as_ann):
    for key, found in places.items():
        method, role = key.split()
        for client, too_small in ((as_vic, role != "viewer"), (as_ann, role == "editor")):
            for name, args in found:
                answer = getattr(client, method.lower())(reverse(f"curation:{name}", args=args))
                assert (answer.status_code == 403) == too_small, (name, role)


def test_every_page_opens_for_a_viewer(places, as_vic):
    for name, args in places["GET viewer"]:
        answer = as_vic.get(reverse(f"curation:{name}", args=args))
        assert answer.status_code in (200, 286, 302), name


def test_a_child_of_another_dataset_is_not_found(project, alice, chats, as_alice):
    other = dataset_settings.create(project, alice, "Other")
    record = make(other, "elsewhere")
    assert as_alice.get(reverse("curation:record", args=[project.pk, chats.pk, record.pk])).status_code == 404


def test_an_annotator_may_not_delete_in_bulk(project, chats, as_ann):
    record = make(chats, "one")
    address = reverse("curation:change_records", args=[project.pk, chats.pk])
    assert as_ann.post(address, {"action": "delete", "ids": [record.pk]}).status_code == 403
    assert as_ann.post(address, {"action": "accept", "ids": [record.pk]}).status_code == 302
    record.refresh_from_db()
    assert record.status == "accepted"


def test_a_file_is_uploaded_previewed_and_started(project, as_bob, django_capture_on_commit_callbacks):
    answer = as_bob.post(
        reverse("curation:new_import", args=[project.pk]),
        {"file": upload([chat_row(HOSTILE)]), "dataset": "new", "name": ""},
    )
    job = Import.objects.get()
    assert answer.url == reverse("curation:import", args=[project.pk, job.pk])
    assert job.dataset.name == "rows"
    assert "rows" not in job.file
    page = as_bob.get(answer.url).content.decode()
    assert HOSTILE not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    answer = as_bob.post(
        reverse("curation:start_import", args=[project.pk, job.pk]), {"kind": "conversations", "column.0": "messages"}
    )
    job.refresh_from_db()
    assert (answer.status_code, job.status, job.confirmed) == (302, "queued", True)
    from curation.tasks import import_file

    import_file(job.pk)
    page = as_bob.get(reverse("curation:import", args=[project.pk, job.pk])).content.decode()
    assert "1 of 1 rows imported" in page


def test_a_mapping_that_cannot_be_meant_is_answered_with_a_sentence(project, alice, chats, as_bob):
    job = drafts.begin(chats, alice, file=upload([chat_row("one")]))
    address = reverse("curation:start_import", args=[project.pk, job.pk])
    answer = as_bob.post(address, {"kind": "conversations", "column.0": "metadata"})
    assert answer.status_code == 422
    assert "Choose the column with the messages" in answer.content.decode()
    assert as_bob.post(address, {"kind": "poems", "column.0": "metadata"}).status_code == 422
    assert as_bob.post(address, {"kind": "preferences", "column.0": "messages"}).status_code == 422
    assert as_bob.post(address, {"kind": "conversations", "column.0": "__class__"}).status_code == 422
    job.refresh_from_db()
    assert job.status == "draft"


def test_a_file_that_cannot_be_read_leaves_nothing_behind(project, as_bob):
    file = SimpleUploadedFile("x.jsonl", b"")
    answer = as_bob.post(reverse("curation:new_import", args=[project.pk]), {"file": file, "dataset": "new"})
    assert answer.status_code == 422
    assert "x.jsonl is empty. Choose a file with rows." in answer.content.decode()
    files = [SimpleUploadedFile("y.jsonl", b"{}"), SimpleUploadedFile("x.jsonl", b"")]
    answer = as_bob.post(reverse("curation:new_import", args=[project.pk]), {"file": files, "dataset": "new"})
    assert "x.jsonl is empty. Choose a file with rows, or leave it out." in answer.content.decode()
    file = SimpleUploadedFile("x.exe", bytes(range(256)) * 20)
    answer = as_bob.post(reverse("curation:new_import", args=[project.pk]), {"file": file, "dataset": "new"})
    assert answer.status_code == 422
    assert not Dataset.objects.exists()
    assert not Import.objects.exists()


def test_an_inner_address_is_refused_with_a_sentence(project, as_bob):
    answer = as_bob.post(
        reverse("curation:new_import", args=[project.pk]), {"url": "http://127.0.0.1/x.jsonl", "dataset": "new"}
    )
    assert answer.status_code == 422
    assert not Dataset.objects.exists()


def test_filters_in_the_address_choose_the_rows(project, chats, as_vic):
    make(chats, "alpha", status="accepted")
    make(chats, "beta")
    address = reverse("curation:dataset", args=[project.pk, chats.pk])
    page = as_vic.get(address, {"status": "accepted"}).content.decode()
    assert "alpha" in page
    assert "beta" not in page
    assert "beta" in as_vic.get(address, {"q": "bet"}).content.decode()
    assert (
        as_vic.get(address, {"status": "'; drop table", "sort": "dataset__project__team", "after": "x~y"}).status_code
        == 200
    )
    assert as_vic.get(address, {"reviewed_by__password__startswith": "a"}).status_code == 200


def test_accepting_goes_on_to_the_next_record_of_the_same_list(project, chats, as_ann):
    first, second, third = make(chats, "one"), make(chats, "two"), make(chats, "three")
    Record.objects.filter(pk=second.pk).update(status="rejected")
    address = reverse("curation:review_record", args=[project.pk, chats.pk, first.pk]) + "?status=new&sort=oldest"
    answer = as_ann.post(address, {"action": "accept", "revision": 1})
    assert answer.url == reverse("curation:record", args=[project.pk, chats.pk, third.pk]) + "?status=new&sort=oldest"
    page = as_ann.get(answer.url).content.decode()
    change = first.changes.get()
    assert reverse("curation:restore_record", args=[project.pk, chats.pk, first.pk, change.pk]) in page
    as_ann.post(reverse("curation:restore_record", args=[project.pk, chats.pk, first.pk, change.pk]))
    first.refresh_from_db()
    assert (first.status, first.reviewed_by) == ("new", None)


def test_a_stale_save_gets_both_texts_and_loses_nothing(project, chats, as_ann, as_bob):
    record = make(chats, "one")
    address = reverse("curation:edit_record", args=[project.pk, chats.pk, record.pk])
    assert as_bob.post(address, {"revision": 1, "text.messages.1": "Bob's text"}).status_code == 302
    answer = as_ann.post(address, {"revision": 1, "text.messages.1": "Ann's text"})
    page = answer.content.decode()
    assert answer.status_code == 409
    assert "Bob&#x27;s text" in page
    assert "Ann&#x27;s text" in page
    record.refresh_from_db()
    assert record.messages[1]["content"] == "Bob's text"
    assert as_ann.post(address, {"revision": 2, "text.messages.1": "Ann's text"}).status_code == 302
    record.refresh_from_db()
    assert record.messages[1]["content"] == "Ann's text"


def test_save_and_accept_accepts_also_what_was_not_changed_and_goes_on(project, chats, as_ann):
    first, second = make(chats, "one"), make(chats, "two")
    address = reverse("curation:edit_record", args=[project.pk, chats.pk, first.pk]) + "?sort=oldest"
    answer = as_ann.post(address, {"revision": 1, "then": "accept"})
    assert answer.url == reverse("curation:record", args=[project.pk, chats.pk, second.pk]) + "?sort=oldest"
    first.refresh_from_db()
    assert (first.status, first.reviewed_by.username) == ("accepted", "ann")


def test_every_page_escapes_what_a_record_holds(project, chats, as_bob):
    record = make(chats, HOSTILE, fields={HOSTILE: HOSTILE}, metadata={HOSTILE: HOSTILE}, key=HOSTILE, origin=HOSTILE)
    as_bob.post(
        reverse("curation:edit_record", args=[project.pk, chats.pk, record.pk]),
        {"revision": 1, "text.messages.1": HOSTILE + "2"},
    )
    for address in (
        reverse("curation:dataset", args=[project.pk, chats.pk]),
        reverse("curation:dataset", args=[project.pk, chats.pk]) + f"?q={HOSTILE}",
        reverse("curation:record", args=[project.pk, chats.pk, record.pk]),
        reverse("curation:record", args=[project.pk, chats.pk, record.pk]) + "?edit=1",
    ):
        page = as_bob.get(address).content.decode()
        assert HOSTILE not in page, address


def test_few_records_change_at_once_and_the_toast_undoes_it(project, chats, as_bob):
    records = [make(chats, f"number {n}") for n in range(3)]
    address = reverse("curation:change_records", args=[project.pk, chats.pk])
    answer = as_bob.post(address + "?q=number", {"action": "reject", "everything": "1"}, follow=True)
    assert "3 records rejected" in answer.content.decode()
    job = BulkAction.objects.get()
    assert reverse("curation:undo_bulk", args=[project.pk, job.pk]) in answer.content.decode()
    as_bob.post(reverse("curation:undo_bulk", args=[project.pk, job.pk]))
    assert set(Record.objects.filter(pk__in=[r.pk for r in records]).values_list("status", flat=True)) == {"new"}


def test_the_settings_deal_the_records_anew(project, chats, as_bob):
    for n in range(20):
        make(chats, f"number {n}")
    address = reverse("curation:dataset_settings", args=[project.pk, chats.pk])
    given = {"name": "Chats", "train": "0", "validation": "50", "test": "50", "seed": "1"}
    assert as_bob.post(address, given).status_code == 422
    assert as_bob.post(address, given | {"train": "50", "validation": "20"}).status_code == 422
    assert as_bob.post(address, given | {"train": "50", "test": "0"}).status_code == 302
    assert set(chats.records.values_list("split", flat=True)) == {"train", "validation"}


def test_a_dataset_is_deleted_only_after_asking(project, chats, as_bob):
    make(chats, "one")
    address = reverse("curation:delete_dataset", args=[project.pk, chats.pk])
    assert "1 record, with" in as_bob.get(address).content.decode()
    as_bob.post(address)
    assert not Dataset.objects.exists()
    assert not Record.objects.exists()


def test_a_dataset_with_a_version_says_why_it_must_stay(project, chats, as_bob):
    Version.objects.create(project=project, dataset=chats, number=1, status="done")
    address = reverse("curation:delete_dataset", args=[project.pk, chats.pk])
    assert "Delete permanently" not in as_bob.get(address).content.decode()
    answer = as_bob.post(address)
    assert answer.status_code == 422
    assert "Archive it under Versions" in answer.content.decode()
    assert Dataset.objects.exists()


def test_review_leads_to_the_first_record_that_waits(project, chats, as_ann):
    address = reverse("curation:review", args=[project.pk])
    assert "Nothing" in as_ann.get(address).content.decode()
    record = make(chats, "one")
    assert reverse("curation:record", args=[project.pk, chats.pk, record.pk]) in as_ann.get(address).url


def test_the_licence_is_a_setting(project, chats, as_bob):
    address = reverse("curation:dataset_settings", args=[project.pk, chats.pk])
    values = {"name": "Chats", "train": 80, "validation": 10, "test": 10, "seed": chats.seed, "licence": " CC-BY-4.0 "}
    as_bob.post(address, values)
    chats.refresh_from_db()
    assert chats.licence == "CC-BY-4.0"
    assert 'value="CC-BY-4.0"' in as_bob.get(address).content.decode()
    assert as_bob.post(address, values | {"licence": "x" * 121}).status_code == 422


def test_what_the_list_shows_is_queued_for_annotating(project, chats, as_bob, as_vic):
    make(chats, "a solar roof")
    make(chats, "a windy day")
    page = reverse("curation:dataset", args=[project.pk, chats.pk])
    address = reverse("curation:fill_queue", args=[project.pk, chats.pk]) + "?q=solar"
    assert f'action="{address}"' in as_bob.get(page, {"q": "solar"}).content.decode()
    assert "Add these to the annotation queue" not in as_vic.get(page).content.decode()
    assert as_vic.post(address).status_code in (403, 404)
    as_bob.post(address)
    assert [task.record.preview for task in Task.objects.filter(queue__dataset=chats)] == ["Say a solar roof"]


# --- what a page says when there is nothing, and what comes next ------------------------------------


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("status=new", "All caught up|Of the 3 records 2 are accepted and 1 is rejected."),
        ("status=skipped", "No record is skipped|Of the 3 records"),
        ("status=deleted", "No deleted records|You can restore them"),
        ("split=test", "No record is in the test split|settings"),
        ("problems=some", "No problems found|checked so far"),
        ("q=walrus", "No records match the search|Try fewer words"),
        ("q=walrus&status=new", "No records match these filters|to review, found by"),
        ("q=tokens:many", "This search cannot be read|See the error above"),
        ("ids=99999999", "No records match|no longer exist"),
    ],
)
def test_an_empty_list_says_why_it_is_empty(project, chats, as_vic, query, said):
    for n, status in enumerate(["accepted", "accepted", "rejected"]):
        make(chats, f"number {n}", status=status, split="train")
    page = as_vic.get(reverse("curation:dataset", args=[project.pk, chats.pk]) + f"?{query}").content.decode()
    for words in said.split("|"):
        assert words in page
    assert "Show all records" in page


def test_an_empty_list_names_the_one_status_that_all_records_have(project, chats, as_vic):
    address = reverse("curation:dataset", args=[project.pk, chats.pk]) + "?status=new"
    make(chats, "one", status="accepted")
    assert "The only record is accepted." in as_vic.get(address).content.decode()
    make(chats, "two", status="accepted")
    assert "All 2 records are accepted." in as_vic.get(address).content.decode()
    Record.objects.update(deleted_at=timezone.now())
    assert "All records are deleted." in as_vic.get(address).content.decode()


def test_a_search_that_is_still_being_typed_leaves_the_list_as_it_is(chats, as_vic):
    make(chats, "one")
    root = reverse("curation:dataset", args=[chats.project_id, chats.pk])
    answer = as_vic.get(root, {"q": "status:"}, HTTP_HX_REQUEST="true", HTTP_X_TYPING="true")
    assert (answer["HX-Retarget"], answer["HX-Push-Url"]) == ("#search-note", "false")
    assert "a value is missing" in answer.text
    assert "<table" not in answer.text
    # Sent with Enter, or opened by its address, it has an answer of its own.
    assert "This search cannot be read" in as_vic.get(root, {"q": "status:"}, HTTP_HX_REQUEST="true").text


def test_a_word_that_may_become_a_condition_leaves_the_list_while_it_is_typed(chats, as_vic):
    make(chats, "one statue")
    root = reverse("curation:dataset", args=[chats.project_id, chats.pk])
    typing = {"HTTP_HX_REQUEST": "true", "HTTP_X_TYPING": "true"}
    answer = as_vic.get(root, {"q": "one status"}, **typing)
    assert (answer["HX-Retarget"], answer["HX-Push-Url"]) == ("#search-note", "false")
    assert "No record has “status”. Write a condition with a colon: status:accepted." in answer.text
    # What is found is shown, what can be no condition finds nothing, and Enter asks for the words as they are.
    assert "<table" in as_vic.get(root, {"q": "statu"}, **typing).text
    assert "HX-Retarget" not in as_vic.get(root, {"q": "walrus"}, **typing).headers
    assert "HX-Retarget" not in as_vic.get(root, {"q": "status"}, HTTP_HX_REQUEST="true").headers


@pytest.mark.parametrize(
    ("query", "said"),
    [("one OR two", "OR was searched as a plain word"), ("NOT one", "put a - before"), ("one or two", "")],
)
def test_words_that_other_languages_read_otherwise_are_named(chats, as_vic, query, said):
    make(chats, "one")
    found = as_vic.get(reverse("curation:dataset", args=[chats.project_id, chats.pk]), {"q": query}).text
    assert (said or "was searched as") in found if said else "was searched as" not in found


def test_the_datasets_of_a_long_list_are_searched(project, alice, as_vic):
    for number in range(7):
        dataset_settings.create(project, alice, f"Harbour {number}")
    root = reverse("curation:data", args=[project.pk])
    assert 'type="search"' not in as_vic.get(root).text
    dataset_settings.create(project, alice, "Council", description="What the town decides")
    shown = as_vic.get(root, {"q": "TOWN council"}).text
    assert ("Council" in shown, "Harbour 1" in shown) == (True, False)
    assert "No datasets match" in as_vic.get(root, {"q": "ferry"}).text


def test_the_deleted_records_are_listed_with_their_facets(project, chats, as_vic):
    make(chats, "one")
    make(chats, "two", deleted_at=timezone.now())
    page = as_vic.get(reverse("curation:dataset", args=[project.pk, chats.pk]) + "?status=deleted").content.decode()
    assert "Say two" in page
    assert "Say one" not in page


def test_shares_stand_in_the_settings_as_people_write_them(project, chats, as_bob):
    chats.shares = {"train": 0.8, "validation": 0.075, "test": 0.125}
    chats.save()
    page = as_bob.get(reverse("curation:dataset_settings", args=[project.pk, chats.pk])).content.decode()
    assert re.findall(r'name="(?:train|validation|test)" value="([^"]*)"', page) == ["80", "7.5", "12.5"]


def test_what_comes_next_is_a_link_to_where_the_reader_may_go(project, chats, as_bob, as_vic, alice):
    done = Import.objects.create(project=project, dataset=chats, original_name="x", confirmed=True, status="done")
    address = reverse("curation:import", args=[project.pk, done.pk])
    review = reverse("curation:dataset", args=[project.pk, chats.pk]) + "?status=new"
    for client, route in ((as_bob, "curation:new_version"), (as_vic, "curation:versions")):
        page = client.get(address).content.decode()
        freeze = reverse(route, args=[project.pk]) + f"?dataset={chats.pk}"
        assert f'<a href="{review}">review the records</a>, then <a href="{freeze}">freeze a version</a>.' in page
    papers = dataset_settings.create(project, alice, "Papers", "documents")
    Import.objects.update(dataset=papers)
    distil = reverse("curation:new_distillation", args=[project.pk]) + f"?dataset={papers.pk}"
    assert f'in <a href="{distil}">Distil</a>.' in as_bob.get(address).content.decode()
