"""The check before an import: what it counts is what the import then does, in every entrance, within its time."""

import io
import json
import zipfile
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.urls import reverse

from curation.datasets import settings
from curation.formats import Mapping
from curation.imports import account, check, drafts, dry_run
from curation.imports.reader import CheckedRows, FileReader
from curation.models import Dataset, Import
from curation.tasks import import_file


def chat(text: str, *more: dict) -> dict:
    return {"messages": [{"role": "user", "content": f"Say {text}"}, {"role": "assistant", "content": text}, *more]}


def lines(*rows: dict | str) -> bytes:
    return "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows).encode()


def packed(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


EMPTY = {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": ""}]}
AFTER = {"role": "user", "content": "left over"}  # a turn behind the last answer: can be fixed
ODD = {
    "good": ("a.jsonl", lines(*(chat(f"number {n}") for n in range(70)))),
    "one row": ("a.jsonl", lines(chat("one"))),
    "broken lines": ("a.jsonl", lines(chat("one"), "{broken", chat("two"), "[]", "", "12")),
    "fixable": ("a.jsonl", lines(chat("one"), chat("two", AFTER), chat("three", AFTER))),
    "problems": ("a.jsonl", lines(chat("one"), EMPTY, chat("two"))),
    "everything": ("a.jsonl", lines("{broken", chat("one"), chat("two", AFTER), EMPTY, chat("one"))),
    "late keys": ("a.jsonl", lines(*(chat(f"{n}") for n in range(60)), {**chat("x"), "tools": [], "source": "s"})),
    "without the column": ("a.jsonl", lines(chat("one"), {"text": "no messages"})),
    "ragged table": ("a.csv", b"question,answer\nq1,a1\nq2,a2,too,many\nq3,a3\n,a4\n"),
    "windows": ("a.csv", "frage;answer\nWie groß?;groß\nWie süß?;süß\n".encode("cp1252")),
    "array": ("a.json", json.dumps([chat("one"), 5, chat("two"), None]).encode()),
    "zip": ("a.zip", packed({"a.jsonl": lines(chat("one"), "{"), "b.csv": b"question,answer\nq,a\n", "c.txt": b""})),
    "half characters": ("a.jsonl", lines(chat("one"), '{"messages": [{"role": "user", "content": "\\ud83d"}]}')),
    "nul": ("a.jsonl", lines(chat("one"), '{"messages": [{"role": "user", "content": "a\\u0000b"}]}')),
}


def looked_at(folder: Path, name: str, data: bytes, **choices) -> CheckedRows:
    path = folder / name
    path.write_bytes(data)
    with FileReader(path) as file:
        source = file.inspect(name)
        mapping, _ = file.suggest("conversations")
        return file.check(source, mapping, choices.get("count", 10_000), choices.get("seconds", 60.0), 20)


def sums(found: CheckedRows) -> list[int]:
    return [getattr(found, name) for name in ("good", "fixable", "problems", "refused")]


@pytest.mark.parametrize("what", ODD)
def test_what_is_counted_is_what_the_import_does(project, alice, what):
    name, data = ODD[what]
    dataset = settings.create(project, alice, "Chats")
    job = drafts.begin(dataset, alice, file=ContentFile(data, name=name), name=name)
    mapping, _ = drafts.suggested(job)
    found = dry_run.check(job, mapping, 60.0)
    assert found.whole
    assert found.checked == sum(sums(found))
    drafts.confirm(job, mapping, skip_duplicates=False)
    import_file(job.pk)
    job.refresh_from_db()
    assert (job.status, job.done, job.failed) == ("done", found.checked, found.refused)
    assert dataset.records.exclude(problems=[]).count() == found.fixable + found.problems
    late = {column["name"]: column["use"] for column in account.of(job)["columns"] if "line" in column}
    assert late == {column: use for column, (_, use, _) in found.account["late"].items()}
    assert found.account["columns"] == job.source["account"]["columns"]


def test_each_end_has_its_count_and_rows_with_problems_come_first(tmp_path):
    found = looked_at(tmp_path, *ODD["everything"])
    assert sums(found) == [2, 1, 1, 1]
    assert (found.same_content, found.fixed) == (1, 0)
    assert [(row.line, row.state) for row in found.rows] == [
        (1, "refused"), (4, "problems"), (3, "fixable"), (2, "good"), (5, "good"),
    ]  # fmt: skip
    many = lines(*(chat(f"number {n}") for n in range(40)), *["{"] * 40)
    shown = [row.state for row in looked_at(tmp_path, "b.jsonl", many).rows]
    assert shown == ["refused"] * 15 + ["good"] * check.GOOD_SHOWN


def test_a_check_ends_with_its_time_or_its_number_of_rows_and_says_so(tmp_path):
    data = lines(*(chat(f"number {n}") for n in range(300)))
    found = looked_at(tmp_path, "a.jsonl", data, seconds=0.0)
    assert (found.checked, found.whole) == (1, False)
    found = looked_at(tmp_path, "a.jsonl", data, count=200)
    assert (found.checked, found.whole) == (200, False)
    assert looked_at(tmp_path, "a.jsonl", data, count=300).whole
    told = found._asdict() | {"rows": 300, "rows_exact": True, "columns": []}
    assert account.checked(told, {})[0] == "The first 200 of 300 rows checked: 200 good."
    assert account.checked(told | {"rows": None}, {})[0] == "The first 200 rows checked: 200 good."
    told |= {"whole": True, "refused": 1, "good": 199, "same_id": 1}
    assert account.checked(told, {}) == [
        "200 rows checked: 199 good, 1 would be rejected.",
        "1 row has the ID of an earlier row.",
    ]


def test_each_file_of_a_zip_names_its_own_guesses_and_can_be_read_otherwise(tmp_path):
    files = {
        "west.csv": "id;frage;antwort\n1;Größe?;groß\n2;Maß?;süß und schön\n".encode("cp1252"),
        "east.csv": "id;frage;antwort\n3;Zażółć?;gęślą jaźń święto\n4;Łódź?;ćma i żółw\n".encode("cp1250"),
        "plain.csv": b"id,frage,antwort\n5,What?,That.\n",
        "rows.jsonl": lines({"id": 6, "frage": "Was?", "antwort": "Das."}),
    }
    path = tmp_path / "a.zip"
    path.write_bytes(packed(files))
    mapping = Mapping("conversations", roles={"frage": "user", "antwort": "assistant"}, key="id")
    with FileReader(path) as file:
        source = file.inspect("a.zip")
        found = file.check(source, mapping, 100, 60.0, 20)
        assert sums(found) == [6, 0, 0, 0]
        assert "west.csv: The encoding is guessed: Western European (Windows-1252, Latin-1)." in found.notes
        assert "east.csv: The encoding is guessed: Central European (Windows-1250)." in found.notes
        cut = "Guessed: cells are split at semicolons, cells have double quotes, doubled inside a cell."
        assert f"west.csv, east.csv: {cut}" in found.notes
        assert list(source.row_notes) == found.notes
        texts = {row.draft.key: row.draft.messages[-1]["content"] for row in found.rows}
        assert (texts["2"], texts["3"], texts["6"]) == ("süß und schön", "gęślą jaźń święto", "Das.")
        chosen = file.inspect("a.zip", source, encoding="cp1252", delimiter="")
        assert chosen.chosen == ("encoding",)
        again = file.check(chosen, mapping, 100, 60.0, 20)
        assert {row.draft.key: row.draft.messages[-1]["content"] for row in again.rows}["4"] == "æma i ¿ó³w"
        assert not any("encoding" in note for note in again.notes)
        back = file.inspect("a.zip", chosen, encoding="", delimiter="")
        assert (back.chosen, list(back.row_notes)) == ((), found.notes)


@pytest.fixture
def chats(project, alice) -> Dataset:
    return settings.create(project, alice, "Chats")


def kept() -> tuple[int, int]:
    stored = default_storage.listdir("imports")[1] if default_storage.exists("imports") else []
    return Import.objects.count(), len(stored)


def test_command_and_rest_check_the_same_and_keep_nothing(project, chats, api_of_alice, tmp_path, capsys):
    name, data = ODD["everything"]
    (tmp_path / name).write_bytes(data)
    options = {"project": str(project.pk), "dataset": "Chats", "check": True}
    call_command("import_records", str(tmp_path / name), **options, json=True)
    printed = json.loads(capsys.readouterr().out)
    address = f"/api/projects/{project.pk}/datasets/{chats.pk}/imports"
    answer = api_of_alice.post(f"{address}/file", {"file": ContentFile(data, name=name), "check": "true"})
    assert answer.status_code == 200
    assert answer.json() == printed
    counts = {
        key: printed[key] for key in ("checked", "whole", "good", "fixable", "problems", "refused", "same_content")
    }
    assert counts == {
        "checked": 5,
        "whole": True,
        "good": 2,
        "fixable": 1,
        "problems": 1,
        "refused": 1,
        "same_content": 1,
    }
    rows = [chat("one"), chat("two", AFTER), {"text": "x"}]
    answer = api_of_alice.post(address, {"rows": rows, "check": True}, content_type="application/json").json()
    assert (answer["checked"], answer["good"], answer["fixable"], answer["refused"]) == (3, 1, 1, 1)
    answer = api_of_alice.post(
        address, {"url": "https://example.com/a.jsonl", "check": True}, content_type="application/json"
    )
    assert answer.status_code == 422
    assert "Only rows, texts and files can be checked by command or REST" in answer.content.decode()
    call_command("import_records", str(tmp_path / name), **options)
    text = capsys.readouterr().out
    assert "5 rows checked: 2 good, 1 can be fixed automatically, 1 with problems, 1 would be rejected." in text
    with pytest.raises(CommandError, match="1 of 5 rows would be rejected"):
        call_command("import_records", str(tmp_path / name), **options, strict=True)
    call_command("import_records", str(tmp_path / name), **options | {"dataset": "New"})
    assert kept() == (0, 0)
    assert [dataset.name for dataset in project.datasets.all()] == ["Chats"]


def test_the_page_checks_again_at_each_change_of_the_mapping(project, chats, as_bob):
    rows = [{"a": f"Why {n}?", "b": f"So {n}." if n % 2 else "", "id": n} for n in range(30)]
    job = drafts.begin(chats, None, file=ContentFile(lines(*rows), name="a.jsonl"))
    address = reverse("curation:start_import", args=[project.pk, job.pk])
    sent = {
        "do": "preview",
        "kind": "conversations",
        "column.0": "role:user",
        "column.1": "metadata",
        "column.2": "key",
    }
    first = as_bob.post(address, sent, headers={"HX-Request": "true"}).content.decode()
    assert "30 rows checked: 0 good, 30 with problems." in first
    again = as_bob.post(address, sent | {"column.1": "role:assistant"}, headers={"HX-Request": "true"}).content.decode()
    assert "30 rows checked: 15 good, 15 with problems." in again
    swapped = sent | {"column.0": "role:assistant", "column.1": "role:user"}
    assert (
        "15 good, 15 would be rejected"
        in as_bob.post(address, swapped, headers={"HX-Request": "true"}).content.decode()
    )
    assert 'hx-trigger="change from:.mapping"' in again
    lacking = as_bob.post(address, sent | {"column.0": "metadata"}, headers={"HX-Request": "true"})
    assert lacking.status_code == 422
    assert "The rows are checked once the uses of the columns fit together." in lacking.content.decode()
    assert not chats.records.exists()


def test_the_file_of_an_import_can_be_read_again(project, chats, as_bob, as_vic, api_of_alice):
    table = "question;answer\nZażółć gęślą?;jaźń\nŁódź?;ćma\n".encode("cp1250")
    job = drafts.begin(chats, None, file=ContentFile(table, name="a.csv"), reading={"encoding": "cp1252"})
    drafts.confirm(job, drafts.suggested(job)[0])
    import_file(job.pk)
    address = reverse("curation:import_again", args=[project.pk, job.pk])
    assert as_vic.post(address).status_code == 403
    draft = Import.objects.get(pk=as_bob.post(address).url.rsplit("/", 1)[-1])
    assert (draft.status, draft.dataset_id, draft.source["encoding"], draft.source["chosen"]) == (
        "draft",
        chats.pk,
        "cp1250",
        [],
    )
    answer = api_of_alice.post(
        f"/api/projects/{project.pk}/imports/{job.pk}/again", {"encoding": "cp1250"}, content_type="application/json"
    )
    assert answer.status_code == 202
    import_file(answer.json()["id"])
    assert chats.records.filter(imported_by=answer.json()["id"]).order_by("pk").first().preview == "Zażółć gęślą?"


def test_rows_that_fixing_makes_the_same_are_counted_as_the_import_skips_them(chats):
    job = drafts.begin(chats, None, file=ContentFile(lines(chat("one"), chat("one", AFTER)), name="a.jsonl"))
    mapping = Mapping("conversations", "chat", messages="messages", fix=True)
    assert dry_run.check(job, mapping).same_content == 1
    drafts.confirm(job, mapping)
    import_file(job.pk)
    job.refresh_from_db()
    assert (job.ok, job.skipped) == (1, 1)


def test_a_label_column_becomes_the_records_labels_and_updates_them(project, chats):
    rows = [
        {**chat("one"), "id": "a", "topic": "News"},
        {**chat("two"), "id": "b", "topic": ["x", "News"]},
        {**chat("x"), "topic": {}},
    ]
    mapping = Mapping("conversations", "chat", messages="messages", key="id", labels="topic")
    for change in ({}, {"topic": "Sport"}):
        job = drafts.begin(chats, None, file=ContentFile(lines(rows[0] | change, *rows[1:]), name="a.jsonl"))
        assert [row.labels for row in dry_run.check(job, mapping).rows if row.draft] == [
            [(rows[0] | change)["topic"]],
            ["News", "x"],
        ]
        drafts.confirm(job, mapping, update_by_key=True)
        import_file(job.pk)
        job.refresh_from_db()
    assert dict(chats.records.values_list("key", "labels")) == {"a": ["Sport"], "b": ["News", "x"]}
    found = account.of(job)
    assert [found[name] for name in ("read", "updated", "unchanged", "failed")] == [3, 1, 1, 1]
    bare = [{**chat("one"), "id": "a"}, {**chat("two"), "id": "b", "topic": None}]
    later = drafts.begin(chats, None, file=ContentFile(lines(*bare), name="b.jsonl"))
    drafts.confirm(later, mapping, update_by_key=True)
    import_file(later.pk)
    # A row without the column says nothing of labels, an empty cell says that there are none.
    assert dict(chats.records.values_list("key", "labels")) == {"a": ["Sport"], "b": []}
    assert {column["name"]: column["use"] for column in found["columns"]}["topic"] == "labels"
    assert job.issues.get(outcome="failed").code == "label-form"
