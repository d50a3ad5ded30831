"""One machine's whole Atelier: what is started, in which order, and the first login."""

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

from atelier import embedded_redis
from atelier.accounts import members
from atelier.processes import Child, Supervisor, free_port, only_one

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
        """Return when the web process answers. Raises RuntimeError with a sentence when it does not in time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.supervisor.watch()
            try:
                with urllib.request.urlopen(self.address + "/health", timeout=2):  # noqa: S310 - our own address
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        raise RuntimeError(f"The web process did not answer within {seconds:.0f} s: see {settings.LOG_DIR}/web.log.")


def children(port: int) -> list[Child]:
    """Web, worker, trainer and server, in the order of their start."""
    web = [
        sys.executable,
        "-m",
        "uvicorn",
        "atelier.asgi:application",
        "--host",
        settings.HOST,
        "--port",
        str(port),
        "--timeout-graceful-shutdown",
        "5",
        "--limit-concurrency",
        "2000",
        "--timeout-keep-alive",
        "15",
        "--no-access-log",
        "--lifespan",
        "off",
    ]
    # QUIT is Celery's time-limited shutdown; TERM would wait for the end of the longest training.
    workers = str(max(2, min(4, os.cpu_count() or 2)))
    return [
        Child("web", web),
        Child("worker", [*CELERY, "-Q", "default", "-c", workers, "-n", "worker@%h"], signal.SIGQUIT),
        Child("trainer", [*CELERY, "-Q", "training", "-c", "1", "-n", "trainer@%h"], signal.SIGQUIT),
        Child("server", [*MANAGE, "serve_models"]),
    ]


def prepare(say: Callable[[str], None]) -> None:
    """Bring the database up to date; on the first start make the owner and print the login once."""
    call_command("migrate", interactive=False, verbosity=0)
    made = members.first_owner()
    if made is None:
        return
    user, password = made
    path = Path(settings.DATA_DIR) / "first-login.txt"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{user.username}\n{password}\n")
    say(f"Made the first owner. The login is kept in {path} until you delete it.")


def first_login() -> tuple[str, str] | None:
    """Name and password of the first owner, while they are still kept and still right."""
    from atelier.accounts.models import User

    path = Path(settings.DATA_DIR) / "first-login.txt"
    if not path.exists():
        return None
    name, password = path.read_text().splitlines()[:2]
    user = User.objects.filter(username=name).first()
    return (name, password) if user is not None and user.check_password(password) else None


@contextmanager
def running(say: Callable[[str], None]) -> Iterator[Installation]:
    """Everything up, until the block ends. Raises AlreadyRunning, or RuntimeError with a sentence."""
    with only_one(Path(settings.DATA_DIR) / "up.lock"):
        supervisor = Supervisor(Path(settings.LOG_DIR), say)
        try:
            if not settings.REDIS_URL:
                redis = supervisor.start(
                    Child(
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


def wait_redis(redis: Child) -> None:
    """Raises RuntimeError when the embedded Redis does not answer."""
    if redis.process is not None:
        embedded_redis.wait_ready(settings.REDIS_SOCKET, redis.process)


@contextmanager
def ended_by_signal() -> Iterator[Callable[[], bool]]:
    """Ctrl-C and TERM set a flag instead of tearing through the code. Gives a function that tells whether one came."""
    came: list[int] = []
    previous = {
        number: signal.signal(number, lambda n, _: came.append(n)) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
