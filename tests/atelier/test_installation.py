"""What the shipped settings and processes promise."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings as shipped
from django.core.management import call_command
from django.test import Client

from atelier import embedded_redis, environment, logs
from atelier.files import data_folder
from atelier.processes.supervisor import AlreadyRunning, SupervisedProcess, Supervisor, free_port, only_one

ROOT = Path(__file__).resolve().parents[2]


def test_the_web_process_never_loads_torch(tmp_path):
    code = (
        "import sys, django; django.setup(); import atelier.asgi, atelier.urls; from django.urls import get_resolver; "
        "get_resolver().url_patterns; "
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'torch', 'transformers', 'vllm', 'trl', 'peft'}))"
    )
    environment_ = {**os.environ, "DJANGO_SETTINGS_MODULE": "atelier.settings", "ATELIER_DATA": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment_, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_the_settings_pass_djangos_deployment_check(tmp_path):
    environment_ = {**os.environ, "ATELIER_HTTPS": "1", "ATELIER_DATA": str(tmp_path)}
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    done = subprocess.run(command, cwd=ROOT, env=environment_, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


PROCESSES = {
    "command": ["manage.py", "check"],
    "web": ["-c", "import atelier.asgi"],
    "worker": ["-m", "celery", "-A", "atelier", "report"],
}


EXAMPLE_KEY = ("ATELIER_SECRET_KEY", "change-me-" + "x" * 60)


@pytest.mark.parametrize(
    ("process", "name", "value"),
    [
        ("command", *EXAMPLE_KEY),
        ("web", *EXAMPLE_KEY),
        ("worker", *EXAMPLE_KEY),
        ("command", "DATABASE_URL", "postgres://atelier:change-me@127.0.0.1:9/atelier"),
        ("command", "REDIS_URL", "redis://:change%2Dme@127.0.0.1:9/0"),
    ],
)
def test_no_process_starts_with_a_secret_of_the_example(process, name, value, tmp_path):
    environment_ = {**os.environ, name: value, "ATELIER_DATA": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, *PROCESSES[process]], cwd=ROOT, env=environment_, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert name in done.stderr
    assert "still the example value (change-me…). Set your own secret" in done.stderr


def test_the_example_for_docker_holds_no_secret():
    lines = dict(
        line.split("=", 1) for line in (ROOT / "docker/env.example").read_text().splitlines() if line[:1].isupper()
    )
    assert {lines[name] for name in ("ATELIER_SECRET_KEY", "POSTGRES_PASSWORD", "REDIS_PASSWORD")} == {""}


def test_files_of_every_process_are_for_its_account_alone(tmp_path):
    code = (
        "import django, os, subprocess; django.setup(); from pathlib import Path; from django.conf import settings; "
        "from django.core.files.base import ContentFile; from django.core.files.storage import default_storage; "
        "default_storage.save('imports/deep/a.txt', ContentFile(b'x')); Path(settings.DATA_DIR, 'new').write_text(''); "
        "subprocess.run(['touch', Path(settings.DATA_DIR, 'of-a-child')])"
    )
    own = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    environment_ = own | {"DJANGO_SETTINGS_MODULE": "atelier.settings", "ATELIER_DATA": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment_, check=True, umask=0)
    subprocess.run([sys.executable, "manage.py", "prepare"], cwd=ROOT, env=environment_, check=True, umask=0)
    made = [path for path in tmp_path.rglob("*") if not path.is_symlink()]
    assert {"a.txt", "new", "of-a-child", "db.sqlite3", "secret.key"} <= {path.name for path in made}
    assert [path for path in made if path.stat().st_mode & 0o077] == []


def test_a_data_folder_that_others_could_read_is_closed_at_the_start(tmp_path):
    folder = tmp_path / "data"
    for name in ("files/imports", "log", "papers"):
        (folder / name).mkdir(parents=True)
    for name in ("db.sqlite3", "db.sqlite3-wal", "files/imports/a.csv", "log/web.log", "papers/own.txt"):
        (folder / name).write_text("x")
    (folder / "files/link").symlink_to(tmp_path / "outside")
    (tmp_path / "outside").write_text("x")
    for path in [folder, *folder.rglob("*"), tmp_path / "outside"]:
        path.chmod(0o755)
    assert data_folder.close(folder) == 8
    still_open = {
        path.name for path in [folder, *folder.rglob("*"), tmp_path / "outside"] if path.stat().st_mode & 0o077
    }
    # What a link leads to, and what is not Atelier's, is not ours to change.
    assert still_open == {"papers", "own.txt", "outside", "link"}
    assert (folder / "log").stat().st_mode & 0o777 == 0o700
    assert data_folder.close(folder) == 0


def test_a_folder_that_everybody_writes_to_stays_so(tmp_path):
    tmp_path.chmod(0o1777)
    (tmp_path / "db.sqlite3").touch()
    (tmp_path / "db.sqlite3").chmod(0o644)
    assert data_folder.close(tmp_path) == 1
    assert tmp_path.stat().st_mode & 0o7777 == 0o1777


def test_the_secret_key_is_made_once_and_only_its_owner_reads_it(tmp_path, monkeypatch):
    monkeypatch.delenv("ATELIER_SECRET_KEY", raising=False)
    first = environment.secret_key(tmp_path)
    assert environment.secret_key(tmp_path) == first
    assert len(first) > 50
    assert (tmp_path / "secret.key").stat().st_mode & 0o777 == 0o600


def test_a_long_data_path_still_gives_a_socket_that_fits(tmp_path):
    deep = tmp_path / ("d" * 120)
    assert len(os.fsencode(environment.redis_socket(deep))) <= 107


def test_the_models_and_the_migrations_agree(db):
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


def test_log_lines_cannot_be_forged():
    formatter = logs.OneLineFormatter("%(message)s")
    import logging

    record = logging.LogRecord("x", logging.INFO, "", 0, "name\nINFO forged \x1b[31m", None, None)
    assert formatter.format(record) == "name\\nINFO forged \\x1b[31m"


def test_pages_forbid_inline_code_and_framing(db):
    answer = Client().get("/sign-in")
    policy = answer["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert answer["X-Frame-Options"] == "DENY"


def test_no_template_has_inline_code_or_marks_text_as_safe():
    for path in (ROOT / "templates").rglob("*.html"):
        text = path.read_text()
        for forbidden in (
            "|safe",
            "mark_safe",
            " onclick=",
            " style=",
            "<style",
            "hx-on",
            "javascript:",
            "autoescape off",
        ):
            assert forbidden not in text, f"{path.name} has {forbidden}"


def test_an_unknown_page_and_a_wrong_host_get_plain_pages(as_alice, settings):
    settings.DEBUG = False
    answer = as_alice.get("/nowhere")
    assert answer.status_code == 404
    assert "Traceback" not in answer.content.decode()
    assert Client(headers={"Host": "evil.example"}).get("/sign-in").status_code == 400


def test_the_api_is_documented_without_a_cdn(db):
    page = Client().get("/api/docs")
    assert page.status_code == 200
    assert "cdn" not in page.content.decode()


@pytest.fixture
def supervisor(tmp_path):
    said = []
    running = Supervisor(tmp_path, said.append)
    running.said = said
    yield running
    running.stop()


def test_the_embedded_redis_listens_on_a_private_socket_and_keeps_an_append_only_file(supervisor, tmp_path):
    import redis

    socket = environment.redis_socket(tmp_path)
    child = supervisor.start(SupervisedProcess("redis", embedded_redis.command(socket, tmp_path / "redis")))
    embedded_redis.wait_ready(socket, child.process)
    client = redis.Redis(unix_socket_path=str(socket))
    assert client.config_get("appendonly")["appendonly"] == "yes"
    assert client.config_get("port")["port"] == "0"
    assert socket.stat().st_mode & 0o777 == 0o700
    client.set("kept", 1)
    child.process.kill()
    child.process.wait()
    supervisor.start(child)
    embedded_redis.wait_ready(socket, child.process)
    assert client.get("kept") == b"1"


def test_a_child_that_ends_is_started_again_and_the_reason_is_said(supervisor):
    child = supervisor.start(SupervisedProcess("short", [sys.executable, "-c", "raise SystemExit(7)"]))
    child.process.wait()
    supervisor.watch()
    assert "short ended with code 7" in supervisor.said[0]
    child.due_at = 1e-9
    first = child.process.pid
    supervisor.watch()
    assert child.process.pid != first


def test_stopping_ends_even_a_child_that_ignores_it(supervisor, monkeypatch):
    monkeypatch.setattr("atelier.processes.supervisor.STOP_SECONDS", 0.5)
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
    )
    child = supervisor.start(SupervisedProcess("stubborn", [sys.executable, "-c", code]))
    log = supervisor.logs / "stubborn.log"
    while "up" not in log.read_text():
        pass
    supervisor.stop()
    assert child.process.poll() is not None


def test_only_one_installation_holds_a_data_folder(tmp_path):
    with (
        only_one(tmp_path / "up.lock"),
        pytest.raises(AlreadyRunning, match="already running"),
        only_one(tmp_path / "up.lock"),
    ):
        pass


def test_a_taken_port_leads_to_the_next_free_one():
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port("127.0.0.1", port) != port


def test_the_default_binds_to_this_machine_only_and_registration_is_off():
    assert shipped.HOST == "127.0.0.1" or os.environ.get("ATELIER_HOST")
    assert not shipped.REGISTRATION_OPEN
