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
from atelier.processes import AlreadyRunning, Child, Supervisor, free_port, only_one

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


def test_the_example_secret_key_is_refused(tmp_path):
    environment_ = {**os.environ, "ATELIER_SECRET_KEY": "change-me-" + "x" * 60, "ATELIER_DATA": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy"], cwd=ROOT, env=environment_, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "set one of your own" in done.stderr


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
    child = supervisor.start(Child("redis", embedded_redis.command(socket, tmp_path / "redis")))
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
    child = supervisor.start(Child("short", [sys.executable, "-c", "raise SystemExit(7)"]))
    child.process.wait()
    supervisor.watch()
    assert "short ended with code 7" in supervisor.said[0]
    child.due_at = 1e-9
    first = child.process.pid
    supervisor.watch()
    assert child.process.pid != first


def test_stopping_ends_even_a_child_that_ignores_it(supervisor, monkeypatch):
    monkeypatch.setattr("atelier.processes.STOP_SECONDS", 0.5)
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
    )
    child = supervisor.start(Child("stubborn", [sys.executable, "-c", code]))
    log = supervisor.logs / "stubborn.log"
    while "up" not in log.read_text():
        pass
    supervisor.stop()
    assert child.process.poll() is not None


def test_only_one_installation_holds_a_data_folder(tmp_path):
    with (
        only_one(tmp_path / "up.lock"),
        pytest.raises(AlreadyRunning, match="running already"),
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
