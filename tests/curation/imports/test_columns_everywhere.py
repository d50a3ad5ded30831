"""Columns become the same messages on the page, by command and by REST, from every format that can carry them."""

import csv
import io
import json
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.core.management.base import CommandError
from django.urls import reverse

from curation.datasets import settings as dataset_settings
from curation.imports import drafts
from curation.imports.notes import notes_of
from curation.models import Dataset, Import
from curation.tasks import import_file

PAIRS = [
    {
        "conversations": [{"from": "human", "value": f"Name bird {n}."}],
        "chosen": {"from": "gpt", "value": f"The wren, {n}."},
        "rejected": {"from": "gpt", "value": "Birds sleep."},
        "mood": "glad",
    }
    for n in range(3)
]
NEWS = [{"text": f"The ferry {n} {{sank}}.", "title": f"Ferry {n}", "day": "Monday"} for n in range(3)]


def as_file(rows: list[dict[str, Any]], form: str) -> bytes:
    if form == "json":
        return orjson.dumps(rows)
    if form == "parquet":
        file = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows), file)
        return file.getvalue()
    if form == "csv":
        out = io.StringIO()
        writer = csv.DictWriter(out, rows[0])
        writer.writeheader()
        writer.writerows({k: v if isinstance(v, str) else json.dumps(v) for k, v in row.items()} for row in rows)
        return out.getvalue().encode()
    return b"".join(orjson.dumps(row) + b"\n" for row in rows)


@pytest.mark.parametrize("form", ["jsonl", "json", "parquet", "csv"])
def test_a_turn_in_a_column_is_read_in_every_format(project, alice, form):
    dataset = dataset_settings.create(project, alice, "Birds")
    job = drafts.begin(dataset, alice, file=ContentFile(as_file(PAIRS, form), name=f"birds.{form}"), any_kind=True)
    drafts.confirm_unseen(job, None)
    import_file(job.pk)
    record = dataset.records.order_by("pk").first()
    assert record.messages == [{"role": "user", "content": "Name bird 0."}]
    assert record.chosen == [{"role": "assistant", "content": "The wren, 0."}]
    assert record.rejected == [{"role": "assistant", "content": "Birds sleep."}]
    assert Import.objects.get(pk=job.pk).ok == 3


def test_by_rest_fixed_texts_come_in_and_what_is_left_over_is_named(project, alice, bob_api):
    dataset = dataset_settings.create(project, alice, "News")
    root = f"/api/projects/{project.pk}/datasets/{dataset.pk}/imports"
    mapping = {"roles": {"text": "user", "title": "assistant"}, "system_text": "Be {brief}.",
               "templates": {"text": "On {day}, for {{short}}: {text}"}}  # fmt: skip
    answer = bob_api.post(root, {"rows": NEWS, "mapping": mapping}, content_type="application/json")
    assert answer.status_code == 202, answer.content
    import_file(answer.json()["id"])
    said = [message["content"] for message in dataset.records.order_by("pk").first().messages]
    assert said == ["Be {brief}.", "On Monday, for {short}: The ferry 0 {sank}.", "Ferry 0"]
    refused = bob_api.post(
        root,
        {"rows": NEWS, "mapping": mapping | {"templates": {"text": "{txt} {text}"}}},
        content_type="application/json",
    )
    assert refused.status_code in (400, 422)
    assert "{txt}, and the file has no such column" in refused.content.decode()
    left = bob_api.post(
        root,
        {"rows": NEWS, "mapping": mapping | {"templates": {}}, "skip_duplicates": False},
        content_type="application/json",
    )
    assert "Not imported: “day”." in left.json()["notes"]


def test_by_command_the_same_notes_come_back(project, tmp_path, capsys, bob_api):
    path = tmp_path / "qa.jsonl"
    path.write_bytes(as_file([{"question": "Who?", "answer": ["Ada"], "mood": "glad"}] * 2, "jsonl"))
    call_command("import_records", str(path), "--no-wait", "--keep-duplicates", "--project", str(project.pk))
    assert "Imported as metadata, beside the messages: “mood”." in capsys.readouterr().out
    job = Import.objects.get()
    import_file(job.pk)
    job.refresh_from_db()
    one = "“answer” holds a list of one; its one entry was taken. (2 rows, the first in line 1.)"
    assert one in notes_of(job)
    assert one in bob_api.get(f"/api/projects/{project.pk}/imports/{job.pk}").json()["notes"]
    assert Dataset.objects.get().records.first().messages[1]["content"] == "Ada"
    mapping = {"roles": {"question": "user", "answer": "assistant"}, "templates": {"question": "{question} {"}}
    with pytest.raises(CommandError, match="stands alone"):
        call_command("import_records", str(path), "--project", str(project.pk), "--mapping", json.dumps(mapping))


def test_on_the_page_a_template_is_shown_tried_and_kept(project, as_bob):
    file = SimpleUploadedFile("news.csv", as_file(NEWS, "csv"))
    as_bob.post(reverse("curation:new_import", args=[project.pk]), {"file": file, "dataset": "new"})
    job = Import.objects.get()
    address = reverse("curation:start_import", args=[project.pk, job.pk])
    uses = {"kind": "conversations", "column.0": "role:user", "column.1": "role:assistant", "column.2": ""}
    page = as_bob.post(address, {"do": "preview", **uses}).content.decode()
    assert 'name="template.0"' in page
    assert ">{text}</textarea>" in page
    assert "Not imported: “day”." in page
    fixed = {
        "system_text": "Be {brief}.\r\nBe kind.",
        "template.0": "Write a headline for: {text}",
        "template.1": "{title}",
    }
    page = as_bob.post(address, {"do": "preview", **uses, **fixed}).content.decode()
    assert "Write a headline for: The ferry 0 {sank}." in page
    wrong = as_bob.post(address, {"do": "start", **uses, **fixed, "template.0": "Shorten <b>{txt}</b> {text}"})
    assert wrong.status_code == 422
    assert "has {txt}, and the file has no such column" in wrong.content.decode()
    assert "Shorten &lt;b&gt;{txt}" in wrong.content.decode()
    assert as_bob.post(address, {"do": "start", **uses, **fixed}).status_code == 302
    job.refresh_from_db()
    assert job.mapping["templates"] == {"text": "Write a headline for: {text}"}
    import_file(job.pk)
    messages = job.dataset.records.order_by("pk").first().messages
    assert [message["content"] for message in messages] == [
        "Be {brief}.\nBe kind.", "Write a headline for: The ferry 0 {sank}.", "Ferry 0",
    ]  # fmt: skip


def test_the_page_takes_the_suggestion_as_it_stands(project, as_bob):
    rows = [{"input": "feather, brick", "output": ["brick is heavy.", "Dunno."], "instruction": "Sort these."}] * 2
    file = SimpleUploadedFile("pairs.json", as_file(rows, "json"))
    as_bob.post(reverse("curation:new_import", args=[project.pk]), {"file": file, "dataset": "new"})
    job = Import.objects.get()
    page = as_bob.get(reverse("curation:import", args=[project.pk, job.pk])).content.decode()
    assert '<option value="pair" selected>' in page
    uses = {
        "kind": "preferences",
        "skip_duplicates": "on",
        "column.0": "role:user",
        "column.1": "pair",
        "column.2": "role:user",
    }
    assert (
        as_bob.post(reverse("curation:start_import", args=[project.pk, job.pk]), {"do": "start", **uses}).status_code
        == 302
    )
    import_file(job.pk)
    record = job.dataset.records.get()
    assert record.messages == [{"role": "user", "content": "Sort these.\n\nfeather, brick"}]
    assert [record.chosen[0]["content"], record.rejected[0]["content"]] == ["brick is heavy.", "Dunno."]
    notes = as_bob.get(reverse("curation:import", args=[project.pk, job.pk])).content.decode()
    assert "the first output was taken as the chosen answer" in notes
