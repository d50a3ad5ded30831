"""Imports from elsewhere than an upload: several files, a folder, a bucket, a hub, a text that was pasted."""

import http.server
import threading
import time
import urllib.parse

import orjson
import pytest
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from atelier.secrets import unseal
from curation.datasets import settings as dataset_settings
from curation.imports import drafts
from curation.imports.origins import hub
from curation.models import Dataset, Import
from curation.tasks import import_file
from tests.curation.imports.test_job import chat, done
from tests.fakes.loopback import EVERY_PORT
from tests.speed import patient


@pytest.fixture
def chats(project, alice) -> Dataset:
    return dataset_settings.create(project, alice, "Chats")


def jsonl(*rows: dict) -> bytes:
    return b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)


def brought(dataset: Dataset, **source) -> Import:
    """Start an import without a look at the preview, as by REST."""
    job = drafts.begin(dataset, None, **source)
    drafts.confirm_unseen(job, None)
    return done(job)


def test_several_files_are_read_in_their_order_each_row_with_its_file(chats):
    files = [
        SimpleUploadedFile("a.jsonl", jsonl(chat("one"))),
        SimpleUploadedFile("b.jsonl", jsonl(chat("two"), {"x": 1})),
    ]
    job = brought(chats, files=files)
    assert (job.original_name, job.origin) == ("a.jsonl and 1 more", {"kind": "files", "names": ["a.jsonl", "b.jsonl"]})
    assert (job.ok, job.failed) == (2, 1)
    assert job.issues.get().file == "b.jsonl"


@pytest.mark.parametrize(
    "text", [jsonl(chat("one")).decode(), orjson.dumps([chat("one")]).decode(), "prompt,answer\nHi,Hello\n"]
)
def test_pasted_text_is_what_it_looks_like(chats, text):
    job = brought(chats, text=text)
    assert (job.status, job.ok, job.origin, job.original_name) == ("done", 1, {"kind": "paste"}, "pasted")


def test_a_folder_is_imported_where_the_installation_allows_it(chats, tmp_path, settings):
    inside, outside = tmp_path / "in", tmp_path / "out"
    for folder in (inside / "deep", outside):
        folder.mkdir(parents=True)
    (inside / "a.jsonl").write_bytes(jsonl(chat("one")))
    (inside / "deep" / "b.jsonl").write_bytes(jsonl(chat("two")))
    (outside / "secret.jsonl").write_bytes(jsonl(chat("secret")))
    (inside / "link.jsonl").symlink_to(outside / "secret.jsonl")
    (inside / "door").symlink_to(outside)
    with pytest.raises(ValidationError, match="allows no folders"):
        drafts.begin(chats, None, origin={"kind": "folder", "path": str(inside)})
    settings.IMPORT_FOLDERS = [str(inside)]
    for path in (outside, inside / "door", inside / ".." / "out", "in", "/"):
        with pytest.raises(ValidationError, match="Only folders within"):
            drafts.begin(chats, None, origin={"kind": "folder", "path": str(path)})
    job = brought(chats, origin={"kind": "folder", "path": str(inside)})
    assert (job.ok, job.failed, job.original_name) == (2, 0, "in, 2 files")
    assert sorted(chats.records.values_list("preview", flat=True)) == ["Say one", "Say two"]
    one = brought(
        dataset_settings.create(chats.project, None, "One"), origin={"kind": "folder", "path": str(inside / "a.jsonl")}
    )
    assert (one.ok, one.original_name) == (1, "a.jsonl")


class Bucket(http.server.BaseHTTPRequestHandler):
    """Two pages of a listing and the objects in it, as an S3 store answers."""

    objects = {"set/a.jsonl": jsonl(chat("one")), "set/b c+d é.jsonl": jsonl(chat("two"))}
    asked: list[str] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        parts = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(parts.query)
        if "AKIDEXAMPLE" not in parts.query:
            self.send_error(403)
            return
        if parts.path.startswith("/broken"):
            self.send_error(503)
            return
        if not parts.path.startswith("/bucket"):
            self.send_error(404)
            return
        names = sorted(self.objects)
        body = self.objects.get(urllib.parse.unquote(parts.path).removeprefix("/bucket/"))
        if body is None:
            name, more = (names[1], "") if "continuation-token" in query else (names[0], "next")
            body = (
                "<ListBucketResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'>"
                f"<IsTruncated>{str(bool(more)).lower()}</IsTruncated><NextContinuationToken>{more}</NextContinuationToken>"
                f"<EncodingType>{''.join(query['encoding-type'])}</EncodingType>"
                f"<Contents><Key>{urllib.parse.quote_plus(name, safe='/')}</Key><Size>{len(self.objects[name])}</Size></Contents></ListBucketResult>"
            ).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Log nothing."""


@pytest.fixture
def bucket():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Bucket)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_bucket_is_read_by_prefix_and_its_key_forgotten(chats, bucket, settings):
    settings.IMPORT_PRIVATE_HOSTS = EVERY_PORT
    origin = {
        "kind": "s3", "address": "s3://bucket/set/", "endpoint": bucket, "access_key": "AKIDEXAMPLE", "secret_key": "hush",
    }  # fmt: skip
    job = drafts.begin(chats, None, origin=origin)
    assert job.origin["secret_key"] != "hush"
    assert unseal(job.origin["secret_key"]) == "hush"
    drafts.confirm_unseen(job, None)
    job = done(job)
    assert (job.status, job.error, job.ok) == ("done", "", 2)
    assert job.origin == {"kind": "s3", "address": "s3://bucket/set/", "endpoint": bucket}
    assert not [path for path in Bucket.asked if "hush" in path]


def test_what_a_bucket_refuses_is_said_of_the_bucket(chats, bucket, settings):
    settings.IMPORT_PRIVATE_HOSTS = EVERY_PORT
    origin = {"kind": "s3", "address": "s3://bucket/set/", "endpoint": bucket, "access_key": "WRONG", "secret_key": "x"}
    job = brought(chats, origin=origin)
    assert "bucket cannot be listed with these keys" in job.error
    elsewhere = {**origin, "address": "s3://gone/set/", "access_key": "AKIDEXAMPLE"}
    job = brought(chats, origin=elsewhere)
    assert "No bucket gone was found at 127.0.0.1" in job.error
    job = brought(chats, origin={**elsewhere, "address": "s3://broken/set/"})
    assert "answered 503" in job.error
    assert "keys" not in job.error


def test_an_inner_endpoint_is_refused_unless_the_installation_allows_it(chats, bucket):
    origin = {"kind": "s3", "address": "s3://bucket/set/", "access_key": "AKIDEXAMPLE", "secret_key": "hush"}
    with pytest.raises(ValidationError, match="ports 80 and 443"):
        drafts.begin(chats, None, origin={**origin, "endpoint": bucket})
    with pytest.raises(ValidationError, match="private network"):
        drafts.begin(chats, None, origin={**origin, "endpoint": "http://169.254.169.254"})
    with pytest.raises(ValidationError, match="Enter an access key"):
        drafts.begin(chats, None, origin={"kind": "s3", "address": "s3://bucket/set"})


@pytest.mark.slow
def test_a_dataset_that_the_library_wrote_is_read_by_split(chats, tmp_path, settings):
    script = (
        "import sys; from datasets import Dataset, DatasetDict\n"
        "rows = lambda *n: Dataset.from_list([{'prompt': f'Say {x}', 'answer': str(x), 'scan': b'\\xff'} for x in n])\n"
        "DatasetDict({'train': rows(1, 2, 3), 'test': rows(4)}).save_to_disk(sys.argv[1])"
    )
    import subprocess
    import sys

    subprocess.run([sys.executable, "-c", script, str(tmp_path / "talks")], check=True)
    settings.IMPORT_FOLDERS = [str(tmp_path)]
    job = brought(chats, origin={"kind": "hub", "name": str(tmp_path / "talks")})
    assert (job.status, job.error, job.ok) == ("done", "", 3)
    assert job.source["notes"] == ["Left out because JSON cannot hold them: scan."]
    job = brought(chats, origin={"kind": "hub", "name": str(tmp_path / "talks"), "split": "test"})
    assert (job.ok, chats.records.count()) == (1, 4)
    job = brought(chats, origin={"kind": "hub", "name": str(tmp_path / "talks"), "split": "none"})
    assert (job.status, job.error) == ("failed", "talks has no split none, only train, test.")


@pytest.mark.slow
def test_a_hub_out_of_reach_is_said_within_twenty_seconds(chats, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    began = time.monotonic()
    job = brought(chats, origin={"kind": "hub", "name": "someone/something"})
    assert time.monotonic() - began < patient(20)
    assert job.status == "failed"
    assert "The hub cannot be reached from this machine" in job.error


def test_a_hub_that_never_answers_is_given_up(chats, monkeypatch, tmp_path):
    monkeypatch.setattr(hub, "REACH_SECONDS", 0.5)
    silent = tmp_path / "silent"
    silent.write_text("#!/bin/sh\nexec sleep 30\n")
    silent.chmod(0o755)
    monkeypatch.setattr(hub.sys, "executable", str(silent))
    job = brought(chats, origin={"kind": "hub", "name": "someone/something"})
    assert (job.status, "could not be reached within" in job.error) == ("failed", True)


@pytest.mark.parametrize("name", ["", "../etc", "a/b/c", "x y", "https://host/x", "a/.."])
def test_a_dataset_has_a_name_as_on_the_hub(chats, name):
    with pytest.raises(ValidationError, match="dataset as on the hub"):
        drafts.begin(chats, None, origin={"kind": "hub", "name": name})


def test_the_page_takes_files_text_and_one_source_only(project, as_bob, settings, tmp_path):
    address = reverse("curation:new_import", args=[project.pk])
    files = [SimpleUploadedFile(name, jsonl(chat(name))) for name in ("a.jsonl", "b.jsonl")]
    assert as_bob.post(address, {"file": files, "dataset": "new", "name": ""}).status_code == 302
    job = Import.objects.get()
    assert (job.dataset.name, job.source["compression"]) == ("a", "zip")
    assert as_bob.post(address, {"text": jsonl(chat("one")).decode(), "dataset": "new"}).status_code == 302
    assert Import.objects.order_by("pk").last().dataset.name == "Pasted"
    both = as_bob.post(address, {"text": "x", "url": "https://example.org/x", "dataset": "new"})
    assert (both.status_code, "exactly one of the other sources" in both.content.decode()) == (422, True)
    assert "folder_path" not in both.content.decode()
    settings.IMPORT_FOLDERS = [str(tmp_path)]
    refused = as_bob.post(address, {"folder_path": "/etc", "dataset": "new"})
    assert (refused.status_code, "Only folders within" in refused.content.decode()) == (422, True)


def test_the_page_shows_fixes_and_applies_them_when_asked(chats, as_bob):
    late = {"messages": [*chat("one")["messages"], {"role": "user", "content": "And?"}]}
    job = drafts.begin(chats, None, file=SimpleUploadedFile("a.jsonl", jsonl(late)))
    page = reverse("curation:import", args=[chats.project_id, job.pk])
    assert "Can be fixed:" in as_bob.get(page).content.decode()
    address = reverse("curation:start_import", args=[chats.project_id, job.pk])
    choices = {"kind": "conversations", "column.0": "messages", "fix": "on"}
    shown = as_bob.post(address, {**choices, "do": "preview"}).content.decode()
    assert "Removed what came after the last assistant message" in shown
    assert "And?" not in shown.split("Original row")[0]
    as_bob.post(address, choices)
    import_file(job.pk)
    assert len(chats.records.get().messages) == 2
    chats.refresh_from_db()
    assert chats.mapping["fix"] is True


def test_rest_takes_a_source_and_never_tells_its_secret(chats, bob_api):
    address = f"/api/projects/{chats.project_id}/datasets/{chats.pk}/imports"
    source = {"kind": "s3", "address": "s3://bucket/x", "access_key": "AKIDEXAMPLE", "secret_key": "hush"}
    answer = bob_api.post(address, {"source": source}, content_type="application/json")
    assert answer.status_code == 202
    assert answer.json()["origin"] == {"kind": "s3", "address": "s3://bucket/x"}
    sealed = Import.objects.get().origin["secret_key"]
    assert sealed not in bob_api.get(f"/api/projects/{chats.project_id}/imports").content.decode()
    answer = bob_api.post(address, {"source": {"kind": "file"}}, content_type="application/json")
    assert (answer.status_code, "No source is called 'file'" in answer.json()["detail"]) == (422, True)
    answer = bob_api.post(address, {"rows": [chat("one")], "url": "https://x.org"}, content_type="application/json")
    assert answer.status_code == 422
