"""The start of one machine's whole Atelier: which processes, in which order, and the first login."""

import os
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import connection

from atelier import embedded_redis, environment
from atelier.accounts import members
from atelier.files import data_folder
from atelier.processes.supervisor import SupervisedProcess, Supervisor, free_port, only_one

MANAGE = [sys.executable, str(Path(settings.BASE_DIR) / "manage.py")]
CELERY = [
    sys.executable,
    "-m",
    "celery",
    "-A",
    "atelier",
    "worker",
    "--loglevel",
    "INFO",
    "--without-gossip",
    "--without-mingle",
]


class Installation:
    """The running processes, and the address at which the web process answers."""

    def __init__(self, supervisor: Supervisor, address: str) -> None:
        self.supervisor = supervisor
        self.address = address

    def wait_web(self, seconds: float = 60) -> None:
        """Wait until the web process answers. Raises RuntimeError with a sentence when it does not in time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.supervisor.watch()
            try:
                with urllib.request.urlopen(self.address + "/health", timeout=2):  # noqa: S310 - our own address
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        raise RuntimeError(f"The web process did not answer within {seconds:.0f} s. Check {settings.LOG_DIR}/web.log.")


def children(port: int) -> list[SupervisedProcess]:
    """Return web, reaper, worker, trainer, the webhooks' worker and server, in the order of their start."""
    web = [
        sys.executable,
        "-m",
        "uvicorn",
        "atelier.asgi:application",
        "--host",
        settings.HOST,
        "--port",
        str(port),
        "--http",
        "atelier.network.connections:BoundedProtocol",
        "--timeout-graceful-shutdown",
        "5",
        "--limit-concurrency",
        "2000",
        "--timeout-keep-alive",
        "15",
        "--no-access-log",
        "--lifespan",
        "off",
        "--no-proxy-headers",  # atelier/asgi.py reads them, by ATELIER_TRUSTED_PROXIES
    ]
    # QUIT is Celery's time-limited shutdown; TERM would wait for the end of the longest training.
    # Of three slots a team has two, and one is for the others (atelier/jobs/shares.py); waiting for a teacher takes no core.
    workers = str(max(3, min(4, os.cpu_count() or 2)))
    return [
        SupervisedProcess("web", web),
        SupervisedProcess("reaper", [*MANAGE, "reap"]),
        SupervisedProcess("worker", [*CELERY, "-Q", "default", "-c", workers, "-n", "worker@%h"], signal.SIGQUIT),
        SupervisedProcess("trainer", [*CELERY, "-Q", "training", "-c", "1", "-n", "trainer@%h"], signal.SIGQUIT),
        SupervisedProcess("webhooks", [*CELERY, "-Q", "webhooks", "-c", "2", "-n", "webhooks@%h"], signal.SIGQUIT),
        SupervisedProcess("server", [*MANAGE, "serve_models"]),
    ]


_owner_is_new = False  # this process made the first owner: it shows the password, and no later start does


def prepare(say: Callable[[str], None]) -> None:
    """Migrate the database; on the first start create the owner, whose login this process shows once."""
    global _owner_is_new
    _close_data_folder(say)
    _migrate()
    new_owner = members.first_owner()
    if new_owner is None:
        return
    user, password = new_owner
    path = Path(settings.DATA_DIR) / "first-login.txt"
    environment.write_private(path, f"{user.username}\n{password}\n")
    _owner_is_new = True
    say(f"Created the first owner. The login is stored in {path} until you delete the file.")


def _migrate() -> None:
    """Run migrations, which may take longer than any statement of the application may, and wait longer for a lock."""
    bounds: list[tuple[str, str]] = []
    with connection.cursor() as cursor:
        for name in ("statement_timeout", "lock_timeout") if connection.vendor == "postgresql" else ():
            cursor.execute("SELECT current_setting(%s)", [name])
            bounds.append((name, cursor.fetchone()[0]))
            cursor.execute("SELECT set_config(%s, '0', false)", [name])
    try:
        call_command("migrate", interactive=False, verbosity=0)
    finally:
        with connection.cursor() as cursor:
            for bound in bounds:
                cursor.execute("SELECT set_config(%s, %s, false)", bound)


def _close_data_folder(say: Callable[[str], None]) -> None:
    folder = Path(settings.DATA_DIR)
    try:
        changed = data_folder.close(folder)
    except PermissionError as error:
        say(
            f"{error.filename} belongs to another account, so others may be able to read it. Change its owner to your account (chown)."
        )
        return
    if changed:
        say(f"Other accounts on this machine could read {changed} files and folders in {folder}. They no longer can.")


def login_lines() -> list[str]:
    """Return how to sign in as the first owner, until that password is changed: in plain at the first start only.

    Output of services ends up in journals that many can read, so later starts only name the place of the password.
    """
    from atelier.accounts.models import User

    path = Path(settings.DATA_DIR) / "first-login.txt"
    if not path.exists():
        return []
    name, password = path.read_text().splitlines()[:2]
    user = User.objects.filter(username=name).first()
    if user is None or not user.check_password(password):
        return []
    if _owner_is_new:
        return [f"Sign in as {name} with the password {password}"]
    return [f"Sign in as {name}. The first password is in {path}; change it, then delete the file."]


@contextmanager
def running(say: Callable[[str], None]) -> Iterator[Installation]:
    """Start everything, until the block ends. Raises AlreadyRunning, or RuntimeError with a sentence."""
    with only_one(Path(settings.DATA_DIR) / "up.lock"):
        supervisor = Supervisor(Path(settings.LOG_DIR), say)
        try:
            if not settings.REDIS_URL:
                redis = supervisor.start(
                    SupervisedProcess(
                        "redis",
                        embedded_redis.command(settings.REDIS_SOCKET, Path(settings.DATA_DIR) / "redis"),
                        ends_last=True,
                    )
                )
                wait_redis(redis)
            prepare(say)
            port = free_port(settings.HOST, settings.PORT)
            if port != settings.PORT:
                say(f"Port {settings.PORT} is taken; using {port}.")
            for child in children(port):
                child.environment["ATELIER_PORT"] = str(port)  # the cookies' names depend on it
                supervisor.start(child)
            host = "127.0.0.1" if settings.HOST in {"0.0.0.0", "::"} else settings.HOST  # noqa: S104 - compared, not bound
            installation = Installation(supervisor, f"http://{host}:{port}")
            installation.wait_web()
            yield installation
        finally:
            supervisor.stop()


def wait_redis(redis: SupervisedProcess) -> None:
    """Wait for the embedded Redis. Raises RuntimeError when it does not answer."""
    if redis.process is not None:
        embedded_redis.wait_ready(settings.REDIS_SOCKET, redis.process)


@contextmanager
def ended_by_signal() -> Iterator[Callable[[], bool]]:
    """Make Ctrl-C and TERM set a flag instead of interrupting the code. Provides a function that returns whether one came."""
    came: list[int] = []
    previous = {
        number: signal.signal(number, lambda n, _: came.append(n)) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
