"""A disk that is full, a real one of 48 MB: it is told as what it is, reading goes on, and nothing half is left behind."""

import http.cookiejar
import json
import os
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.conftest import PROJECT
from tests.system.installation import Installation, running

KEY = """
from atelier.accounts.models import APIKey, Team, User
result = APIKey.issue(Team.objects.get(), User.objects.get(), "test")[1]
"""
pytestmark = pytest.mark.slow


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(place)], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"Only root may mount a small disk: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path) -> Path:
    """Fill the disk to the last byte."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as out:
        for size in (2**20, 4096, 1):
            try:
                while True:
                    out.write(b"\0" * size)
            except OSError:
                continue
    return filler


class Caller:
    """Calls the API with a key, and pages with a session."""

    def __init__(self, installation: Installation, key: str) -> None:
        self.base, self.key = installation.base_url, key
        self.pages = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))

    def api(self, method: str, path: str, body: bytes | None = None, kind: str = "application/json") -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": kind}
        return self._answer(urllib.request.Request(self.base + path, body, headers, method=method))

    def page(self, path: str, fields: dict[str, str] | None = None) -> tuple[int, str]:
        body = urllib.parse.urlencode(fields).encode() if fields is not None else None
        return self._answer(urllib.request.Request(self.base + path, body))

    def sign_in(self, name: str, password: str) -> None:
        token = self.token("/sign-in")
        fields = {"username": name, "password": password, "csrfmiddlewaretoken": token}
        assert self.page("/sign-in", fields)[0] == 200

    def token(self, path: str) -> str:
        return self.page(path)[1].split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]

    def _answer(self, request: urllib.request.Request) -> tuple[int, str]:
        try:
            with self.pages.open(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


def upload(caller: Caller, project: int, dataset: int) -> tuple[int, str]:
    """Upload a file of conversations, larger than what stays in memory."""
    row = {"messages": [{"role": "user", "content": "x" * 500}, {"role": "assistant", "content": uuid.uuid4().hex}]}
    content = "\n".join(json.dumps(row) for _ in range(6000)).encode()
    mark = uuid.uuid4().hex
    body = (
        f"--{mark}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"rows.jsonl\"\r\n\r\n".encode()
        + content + f"\r\n--{mark}--\r\n".encode()
    )  # fmt: skip
    path = f"/api/projects/{project}/datasets/{dataset}/imports/file"
    return caller.api("POST", path, body, f"multipart/form-data; boundary={mark}")


def test_a_full_disk_is_told_as_what_it_is_and_all_goes_on_when_there_is_room(small_disk):
    data = small_disk / "data"
    with running(data, "redis", "web", "worker") as installation:
        project, dataset = installation.run(PROJECT)
        caller = Caller(installation, installation.run(KEY))
        caller.sign_in(*installation.login())
        assert caller.api("GET", "/api/projects")[0] == 200
        token = caller.token(f"/projects/{project}/settings")
        filler = fill(small_disk)

        status, words = upload(caller, project, dataset)
        assert (status, "The disk is full" in words) == (507, True), words + installation.log("web")[-3000:]
        assert caller.api("GET", "/api/projects")[0] == 200, installation.log("web")[-3000:]
        status, words = caller.page(f"/projects/{project}/")
        assert (status, "The disk is nearly full: only 0 MB" in words) == (200, True), words
        told = [write(caller, project, token) for _ in range(400)]
        assert told[-1] == 507, "writes went on although the disk is full"
        assert set(told) <= {200, 201, 507}, told
        status, words = caller.page(f"/projects/{project}/settings", settings(token))
        assert (status, "The disk is full" in words) == (507, True), words
        assert [path for path in (data / "files").rglob("*") if path.is_file()] == []
        time.sleep(20)
        assert installation.processes["worker"].poll() is None, installation.log("worker")[-3000:]
        assert installation.processes["web"].poll() is None

        os.unlink(filler)
        status, words = upload(caller, project, dataset)
        assert status == 202, words
        job = installation.wait_over("curation_import", json.loads(words)["id"], 90)
        assert (job["status"], job["ok"] + job["skipped"]) == ("done", 6000)
        assert installation.rows("PRAGMA integrity_check")[0]["integrity_check"] == "ok"


def write(caller: Caller, project: int, token: str) -> int:
    """Grow the database until the disk is full."""
    body = {"name": uuid.uuid4().hex, "description": "x" * 290}
    return caller.api("POST", f"/api/projects/{project}/datasets", json.dumps(body).encode())[0]


def settings(token: str) -> dict[str, str]:
    return {"csrfmiddlewaretoken": token, "name": "Kills", "guidelines": "x" * 100_000}
