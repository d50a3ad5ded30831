"""The client against a live server: errors with sentences, repeated calls that do nothing twice, verified files."""

import json
import random
import subprocess
import sys
from pathlib import Path

import datasets
import httpx
import pytest
from django.core.files.storage import default_storage

from atelier_client import (
    Broken,
    Client,
    Conflict,
    Forbidden,
    JobFailed,
    NotFound,
    NotSignedIn,
    Refused,
    Unavailable,
)  # fmt: skip
from atelier_client.loading import open_files
from atelier_client.transport import Transport
from curation.models import Import, Version
from tests.curation.teacher import conversations

WORDS = [
    "amber",
    "basket",
    "candle",
    "dust",
    "ember",
    "fern",
    "grain",
    "harbour",
    "ink",
    "jar",
    "kettle",
    "lamp",
    "moss",
    "needle",
    "oak",
    "pebble",
    "quill",
    "river",
]
ROWS = [{"messages": [{"role": "user", "content": f"Q{n}"}, {"role": "assistant", "content": "A"}]} for n in range(12)]


def test_the_only_project_is_found(client_of_bob, project):
    assert client_of_bob.project == project.pk
    client_of_bob.create_project("Another")
    fresh = Client("http://127.0.0.1:9", "k")
    fresh._transport = client_of_bob._transport
    with pytest.raises(ValueError, match="Choose a project"):
        _ = fresh.project


def test_errors_have_their_own_kinds_and_the_server_s_sentence(server, key, project, team, vic, client_of_bob):
    from atelier.accounts.models import APIKey

    dataset = conversations(project, 3)
    with pytest.raises(NotSignedIn, match="Send `Authorization"):
        Client(server, "atl_wrong").projects()
    with pytest.raises(Forbidden, match="need the role editor"):
        Client(server, APIKey.issue(team, vic, "v")[1]).create_dataset("Mine")
    with pytest.raises(NotFound):
        client_of_bob.record(dataset.pk, 10**9)
    with pytest.raises(Refused, match="already has a dataset called Briefs"):
        client_of_bob.create_dataset("Briefs")
    record = dataset.records.first()
    with pytest.raises(Conflict) as caught:
        client_of_bob.change_record(dataset.pk, record.pk, 99, status="rejected")
    assert caught.value.status == 409
    assert caught.value.current
    with pytest.raises(Unavailable, match="cannot be reached"):
        Client("http://127.0.0.1:9", key, project=1)._transport._tried(lambda: httpx.get("http://127.0.0.1:9"), tries=1)


def test_an_answer_that_got_lost_is_asked_for_again_and_nothing_is_done_twice(client_of_bob, project, monkeypatch):
    dataset = client_of_bob.create_dataset("Rows")["id"]
    transport, lost = client_of_bob._transport, []
    real = transport._http.request

    def lossy(method, path, **request):
        answer = real(method, path, **request)
        if method == "POST" and not lost:
            lost.append(answer.status_code)
            raise httpx.ReadTimeout("the answer never came")
        return answer

    monkeypatch.setattr(transport._http, "request", lossy)
    monkeypatch.setattr(transport, "_sleep", lambda seconds: None)
    job = client_of_bob.import_rows(dataset, ROWS)
    assert lost == [202]
    assert job["ok"] == 12
    assert Import.objects.filter(dataset=dataset).count() == 1


def test_a_project_and_a_dataset_whose_answers_got_lost_are_made_once(client_of_bob, project, monkeypatch):
    transport, lost = client_of_bob._transport, []
    real = transport._http.request

    def lossy(method, path, **request):
        answer = real(method, path, **request)
        if method == "POST" and path not in lost:
            lost.append(path)
            raise httpx.ReadTimeout("the answer never came")
        return answer

    monkeypatch.setattr(transport._http, "request", lossy)
    monkeypatch.setattr(transport, "_sleep", lambda seconds: None)
    made = client_of_bob.create_project("Twice sent")
    dataset = client_of_bob.create_dataset("Twice sent")
    assert len(lost) == 2
    assert project.team.projects.filter(name="Twice sent").get().pk == made["id"]
    assert [one["id"] for one in client_of_bob.datasets()] == [dataset["id"]]


def test_a_list_that_comes_by_pages_is_whole(client_of_bob, project, monkeypatch):
    monkeypatch.setattr("atelier_client.client.PAGE", 2)
    wanted = [client_of_bob.create_dataset(f"Set {n}")["id"] for n in range(5)]
    assert [one["id"] for one in client_of_bob.datasets()] == wanted
    assert [one["id"] for one in client_of_bob.projects()] == [project.pk]


def test_retry_after_is_obeyed():
    pauses: list[float] = []
    transport = Transport("http://test", "k", 1, sleep=pauses.append)
    answers = iter(
        [httpx.Response(429, headers={"Retry-After": "7"}), httpx.Response(503), httpx.Response(200, json=[])]
    )
    transport._http = httpx.Client(base_url="http://test", transport=httpx.MockTransport(lambda request: next(answers)))
    assert transport.call("GET", "/x") == []
    assert pauses == [7.0, 1.0]


def test_a_file_is_imported_and_undone_bulk_comes_back(client_of_bob, project, tmp_path):
    dataset = client_of_bob.create_dataset("File")["id"]
    path = tmp_path / "rows.csv"
    path.write_text("question,answer\nWhy?,Because.\nHow?,So.\n")
    mapping = {"kind": "conversations", "prompt": "question", "answer": "answer"}
    try:
        job = client_of_bob.import_file(dataset, path)
    except Refused:
        job = client_of_bob.import_file(dataset, path, mapping=mapping)
    assert job["ok"] == 2
    action = client_of_bob.bulk(dataset, "reject", filters={})
    assert {record["status"] for record in client_of_bob.records(dataset)} == {"rejected"}
    client_of_bob.undo(action)
    assert {record["status"] for record in client_of_bob.records(dataset)} == {"new"}
    assert list(client_of_bob.annotations(dataset)) == []


def test_a_failed_job_raises_its_sentence(client_of_bob, project):
    dataset = conversations(project, 30)
    dataset.records.update(content_hash="ab" * 32)
    with pytest.raises(JobFailed, match="in another split with the same content"):
        client_of_bob.freeze(dataset.pk)
    assert client_of_bob.freeze(dataset.pk, allow_leaks=True).status == "done"
    assert [version["number"] for version in client_of_bob.versions()] == [2, 1]


def test_a_damaged_download_is_refused_and_a_damaged_cache_is_fetched_anew(client_of_bob, project, tmp_path):
    version = client_of_bob.freeze(conversations(project, 30).pk)
    client_of_bob.load_dataset(version.id, "train", folder=tmp_path)
    [kept] = tmp_path.glob("*.jsonl")
    kept.write_bytes(kept.read_bytes()[:-1])
    assert len(client_of_bob.load_dataset(version.id, "train", folder=tmp_path)) == version["counts"]["train"]
    Version.objects.filter(pk=version.id).update(
        files={**version_files(version.id), "train": version_files(version.id)["train"] | {"sha256": "0" * 64}}
    )
    with pytest.raises((Broken, Refused), match="differs from what was frozen"):
        client_of_bob.load_dataset(version.id, "train", folder=tmp_path / "new")
    assert not list((tmp_path / "new").iterdir())


def test_a_column_that_comes_late_or_in_one_split_only_is_there_in_all(tmp_path):
    said = [{"role": "user", "content": "word " * 5_000}, {"role": "assistant", "content": "So."}]
    rows = [{"id": f"r{n}", "messages": said, "metadata": {"topic": "sea"}} for n in range(450)]  # 11 MB
    late = {"id": "last", "messages": said, "metadata": {"topic": "sky", "year": 2026}, "labels": ["News"]}
    files = {"train": tmp_path / "train.jsonl", "test": tmp_path / "test.jsonl"}
    for name, some in (("train", [*rows, late]), ("test", rows[:2])):
        files[name].write_text("".join(json.dumps(row) + "\n" for row in some))
    found = open_files(files, None)
    assert found["train"].features == found["test"].features
    assert found["train"][-1]["labels"] == ["News"]
    assert found["test"][0]["metadata"] == {"topic": "sea"}
    assert found["test"][0]["labels"] is None
    assert found["train"][0]["metadata"] == {"topic": "sea"}


def test_erased_rows_are_left_out_of_what_is_loaded(tmp_path):
    path = tmp_path / "train.jsonl"
    kept = [json.dumps(row).encode() + b"\n" for row in ROWS]
    path.write_bytes(b"".join([kept[0], b'{"erased":true,"id":"35646a0d368ff3c1"}   \n', *kept[1:]]))
    loaded = open_files({"train": path}, "train")
    assert (len(loaded), loaded.column_names) == (12, ["messages"])
    assert path.read_bytes().count(b"erased") == 1


def test_metadata_of_several_types_loads_too(tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_text('{"id": "a", "metadata": {"score": 1}}\n{"id": "b", "metadata": {"score": "high"}}\n')
    assert [row["metadata"] for row in open_files({"train": path}, "train")] == [{"score": 1}, {"score": "high"}]


def called(arguments, **more) -> list[dict]:
    call = {"id": "callnumb1", "type": "function", "function": {"name": "find", "arguments": arguments}}
    return [{"role": "user", "content": "Find it"}, {"role": "assistant", "content": "", "tool_calls": [call], **more}]


def tool(**properties) -> list[dict]:
    return [{"type": "function", "function": {"name": "find", "parameters": {"properties": properties}}}]


ODD = [
    {"messages": called({"city": "Kraków"}), "tools": tool(city={"type": "string"})},
    {"messages": called({"page": 2, "deep": {"a": None}}), "tools": tool(page={"type": "integer", "default": None})},
    {"messages": called({}), "tools": tool(on={"enum": [True, None, "x", 1.5]}, off={"enum": []})},
    {"messages": called('{"city": "as text"}', thinking=None), "tools": tool()},
    {"messages": called({"deep": [{"a": 1}, {"b": [[], [{}]]}, None]})},
    {
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "42"}]},
            {"role": "assistant", "content": "42"},
        ]
    },
    {
        "messages": [{"role": "user", "content": "null"}, {"role": "assistant", "content": "[1]"}],
        "metadata": {"n": "7"},
    },
    {"messages": called({"x": 0.30000000000000004, "m": 1.7976931348623157e308}), "metadata": {"n": 7}},
    {"messages": called({"u": 18446744073709551615, "i": -9223372036854775808}), "metadata": {"n": None}},
    {
        "messages": called({"huge": str(2**70)}),
        "metadata": {"n": [1, "2", {"three": 3.0}]},
        "labels": ["News", "Übermorgen"],
    },
    {"messages": called({"": 1, "a.b": 2, "ключ": "\u2028\u0085 \ud83d\ude00"}), "metadata": {"n": {}}},
    {"messages": called({"z": 1, "a": 2}), "metadata": {"score": 1.0, "count": 1}},
]


def test_a_loaded_row_has_the_keys_that_were_frozen_and_no_others(tmp_path):
    rows = [{"id": f"r{number}", "metadata": {}, **row} for number, row in enumerate(ODD)]
    files = {"train": tmp_path / "train.jsonl", "test": tmp_path / "test.jsonl"}
    for name, some in (("train", rows), ("test", rows[:2])):
        files[name].write_text("".join(json.dumps(row) + "\n" for row in some))
    loaded = open_files(files, None)
    for name, some in (("train", rows), ("test", rows[:2])):
        for found, row in zip(loaded[name], some, strict=True):
            # As texts too: 1 and 1.0 are equal, and so are objects whatever the order of their keys.
            assert json.dumps({key: found[key] for key in row}) == json.dumps(row)
            assert all(found[key] is None for key in found.keys() - row.keys())
    assert loaded["train"].features == loaded["test"].features
    again = loaded["train"].map(lambda row: {"turns": len(row["messages"])}).filter(lambda row: row["turns"] == 2)
    plain = [
        row for row in rows if "0.3" not in str(row)
    ]  # `map` writes fractions as the library does: with ten digits
    kept = [row for row in again if row["id"] != "r7"]
    assert [json.dumps(row["messages"]) for row in kept] == [json.dumps(row["messages"]) for row in plain]
    joined = datasets.concatenate_datasets([loaded["test"], loaded["train"]])
    assert joined[2 + 4]["messages"] == rows[4]["messages"]
    assert loaded["train"]["tools"][1] == rows[1]["tools"]


def test_a_saved_copy_needs_no_client_to_be_read(tmp_path):
    path = tmp_path / "train.jsonl"
    rows = [{"id": "a", "messages": ODD[0]["messages"]}, {"id": "b", "messages": ODD[4]["messages"]}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    open_files({"train": path}, "train").save_to_disk(str(tmp_path / "saved"))
    code = f"import datasets, json; print(json.dumps(list(datasets.load_from_disk({str(tmp_path / 'saved')!r}))))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == rows


def test_a_frozen_version_comes_back_row_for_row(client_of_bob, project):
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"Find the stone of the {n}th mile"},
                called({f"key{n % 3}": n, "note": None if n % 2 else "x"})[1],
                {"role": "tool", "tool_call_id": "callnumb1", "name": "find", "content": "Found"},
                {"role": "assistant", "content": " ".join(random.Random(n).choices(WORDS, k=30))},
            ],
            **({"tools": tool(**{f"key{n % 3}": {"type": "integer", "minimum": n}})} if n % 4 else {}),
            "topic": None if n % 5 else {"main": n},
        }
        for n in range(24)
    ]  # fmt: skip
    made = client_of_bob.create_dataset("Calls")["id"]
    assert client_of_bob.import_rows(made, rows)["ok"] == 24
    version = client_of_bob.freeze(made, filters={"status": "new"}, allow_leaks=True)
    frozen = {row["id"]: row for row in client_of_bob.frozen_rows(version.id)}
    assert len(frozen) == 24
    loaded = [row for part in client_of_bob.load_dataset(version.id).values() for row in part]
    assert len(loaded) == 24
    for row in loaded:
        assert json.dumps({key: value for key, value in row.items() if value is not None}) == json.dumps(
            frozen[row["id"]]
        )
    notes = [turn["tool_calls"][0]["function"]["arguments"] for row in loaded for turn in row["messages"][1:2]]
    assert sorted(len(json.loads(note) if isinstance(note, str) else note) for note in notes) == [2] * 24


def version_files(pk: int) -> dict:
    return Version.objects.get(pk=pk).files


def test_a_flipped_byte_on_the_server_reaches_nobody(client_of_bob, project, tmp_path):
    version = client_of_bob.freeze(conversations(project, 30).pk)
    path = Path(default_storage.path(version_files(version.id)["train"]["name"]))
    content = bytearray(path.read_bytes())
    content[30] ^= 1
    path.write_bytes(content)
    with pytest.raises(Refused, match="differs from what was frozen"):
        client_of_bob.load_dataset(version.id, "train", folder=tmp_path / "new")


def test_training_and_evaluating_are_asked_for_and_refused_with_sentences(client_of_bob, project):
    version = client_of_bob.freeze(conversations(project, 30).pk)
    with pytest.raises(Refused):
        client_of_bob.train(version.id, base="no-such-base")
    with pytest.raises((Refused, NotFound)):
        client_of_bob.evaluate(version.id, endpoints=[10**6])
