"""What the terminal says when everything is up, and when `make demo ONCE=1` has ended."""

import runpy
from pathlib import Path

import pytest
from django.core import management

from atelier import installation
from atelier.accounts.models import User
from atelier.management.commands.up import farewell, greeting

pytestmark = pytest.mark.django_db


@pytest.fixture
def first_start(monkeypatch) -> None:
    """Prepare the environment of the process that created the owner."""
    monkeypatch.setattr(installation, "_owner_is_new", True)


@pytest.fixture
def first_login(settings, tmp_path: Path) -> User:
    settings.DATA_DIR = tmp_path
    (tmp_path / "first-login.txt").write_text("owner\na-random-password\n")
    return User.objects.create_user("owner", password="a-random-password")


def test_what_is_up_says_where_it_is_and_how_to_end_it(first_start, first_login):
    assert greeting("http://127.0.0.1:8321").splitlines() == [
        "Atelier is at http://127.0.0.1:8321",
        "Sign in as owner with the password a-random-password",
        "Ctrl-C stops everything.",
    ]


def test_what_has_ended_gives_no_address_and_says_how_to_start_again(first_start, first_login):
    assert farewell().splitlines() == [
        "`make run` starts Atelier again with everything in this project.",
        "Sign in as owner with the password a-random-password",
    ]


def test_a_later_start_says_where_the_password_is_and_not_what_it_is(first_login, tmp_path):
    for said in (greeting("http://127.0.0.1:8321"), farewell()):
        assert "a-random-password" not in said
        assert f"Sign in as owner. The first password is in {tmp_path / 'first-login.txt'}" in said


def test_prepare_prints_the_password_the_first_time_only(settings, tmp_path, monkeypatch, capsys):
    settings.DATA_DIR = tmp_path
    monkeypatch.setattr(installation, "_owner_is_new", False)
    management.call_command("prepare")
    password = (tmp_path / "first-login.txt").read_text().split()[1]
    assert capsys.readouterr().out.count(password) == 1
    monkeypatch.setattr(installation, "_owner_is_new", False)  # another process
    management.call_command("prepare")
    said = capsys.readouterr().out
    assert password not in said
    assert "first-login.txt" in said


def test_a_password_that_was_changed_is_not_told_any_more(first_start, first_login):
    first_login.set_password("another-password")
    first_login.save()
    assert "password" not in greeting("http://127.0.0.1:8321") + farewell()


def test_ctrl_c_while_the_app_loads_ends_a_command_without_a_trace(settings, monkeypatch):
    def interrupted(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(management, "execute_from_command_line", interrupted)
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(settings.BASE_DIR / "manage.py"), run_name="__main__")
    assert ended.value.code == 130
