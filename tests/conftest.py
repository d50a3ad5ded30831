"""People and a project for all tests: Alice owns, Bob edits, Ann annotates, Vic views, Charlie is a stranger."""

import os
import tempfile
from pathlib import Path

# Before any settings are read: tests never touch the data of an installation.
os.environ.setdefault("ATELIER_DATA", tempfile.mkdtemp(prefix="atelier-test-"))

import hypothesis
import pytest
from django.db import connection
from django.test import Client

from atelier.accounts.models import APIKey, Membership, Project, Role, Team, User
from tests.fakes.loopback import EVERY_PORT

# The same examples each time, so that a gate never hangs on luck; HYPOTHESIS_PROFILE=search looks for new ones.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=50)
hypothesis.settings.register_profile("search", max_examples=2000, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


@pytest.fixture(scope="session")
def django_db_modify_db_settings(tmp_path_factory, django_db_modify_db_settings_parallel_suffix) -> None:
    """Put SQLite into a file, as in use.

    Tables of a shared memory database lock out other threads at once, whatever the timeout.
    """
    if connection.vendor == "sqlite":
        connection.settings_dict["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")


@pytest.fixture(autouse=True)
def quick_passwords(settings):
    """Replace real password hashes, which are slow by design, since every test has users."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def long_leases(settings):
    """Lengthen leases.

    A test's rows are in its own transaction, where the thread that renews a job's lease does not see them.
    """
    settings.JOB_LEASE_SECONDS = 600


@pytest.fixture(autouse=True)
def open_loopback(settings):
    """Allow calls to this machine, where fakes of teachers and receivers listen, and which are refused by default."""
    settings.PRIVATE_HOSTS = settings.WEBHOOK_PRIVATE_HOSTS = EVERY_PORT


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, settings):
    """Give every test files of its own."""
    settings.DATA_DIR = tmp_path
    settings.MEDIA_ROOT = tmp_path / "files"
    settings.MODELS_DIR = tmp_path / "models"
    settings.RUNS_DIR = tmp_path / "runs"
    settings.LOG_DIR = tmp_path / "log"


def member(team: Team, name: str, role: Role) -> User:
    user = User.objects.create_user(username=name, password="a-long-password")
    Membership.objects.create(team=team, user=user, role=role)
    return user


@pytest.fixture
def team(db) -> Team:
    return Team.objects.create(name="Plain Desk")


@pytest.fixture
def alice(team) -> User:
    return member(team, "alice", Role.OWNER)


@pytest.fixture
def bob(team) -> User:
    return member(team, "bob", Role.EDITOR)


@pytest.fixture
def ann(team) -> User:
    return member(team, "ann", Role.ANNOTATOR)


@pytest.fixture
def vic(team) -> User:
    return member(team, "vic", Role.VIEWER)


@pytest.fixture
def charlie(db) -> User:
    return member(Team.objects.create(name="Strangers"), "charlie", Role.OWNER)


@pytest.fixture
def project(team, alice) -> Project:
    return Project.objects.create(team=team, name="Briefs", created_by=alice)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def as_alice(alice) -> Client:
    return signed_in(alice)


@pytest.fixture
def as_bob(bob) -> Client:
    return signed_in(bob)


@pytest.fixture
def as_ann(ann) -> Client:
    return signed_in(ann)


@pytest.fixture
def as_vic(vic) -> Client:
    return signed_in(vic)


@pytest.fixture
def as_charlie(charlie) -> Client:
    return signed_in(charlie)


@pytest.fixture
def bob_api(team, bob) -> Client:
    """A client that sends Bob's API key."""
    _, key = APIKey.issue(team, bob, "test")
    return Client(headers={"Authorization": f"Bearer {key}"})


@pytest.fixture
def api_of_alice(team, alice) -> Client:
    """A client that sends Alice's API key."""
    _, key = APIKey.issue(team, alice, "test")
    return Client(headers={"Authorization": f"Bearer {key}"})
