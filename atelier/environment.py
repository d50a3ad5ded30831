"""Environment variables, and the few files that an installation creates for itself. Settings are not read here."""

import fcntl
import hashlib
import importlib.util
import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from atelier.network import openings
from atelier.network.openings import Opening

SHORTEST_KEY = 20
SOCKET_PATH_LIMIT = 100  # Linux allows 107 bytes for the path of a unix socket.


def flag(name: str) -> bool:
    """Return whether the variable is set to 1, true, yes or on."""
    return os.environ.get(name, "").lower() in {"1", "true", "yes", "on"}


def words(name: str, default: str) -> list[str]:
    """Return a list separated by spaces or commas."""
    return os.environ.get(name, default).replace(",", " ").split()


def whole(name: str, default: int) -> int:
    """Return a whole number above 0. Raises SystemExit with a sentence for anything else."""
    text = os.environ.get(name, "") or str(default)
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0):
        raise SystemExit(f"{name} is {text[:40]!r}. Set it to a whole number above 0.")
    return int(text)


def data_dir(base: Path) -> Path:
    """Return the folder of everything that this installation stores: `ATELIER_DATA`, or `var/` beside manage.py."""
    folder = Path(os.environ.get("ATELIER_DATA") or base / "var").resolve()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def secret_key(folder: Path) -> str:
    """Return the installation's own key: `ATELIER_SECRET_KEY`, else created once and kept readable for its owner only.

    However many processes start first at once, all get the same one. A file that a crash left empty was nobody's key
    yet, so it is filled. Raises RuntimeError for a file that contains something else than a key.
    """
    secret = os.environ.get("ATELIER_SECRET_KEY")
    if secret:
        return secret
    path = folder / "secret.key"
    key = _read_key(path)
    if not key:
        with _locked(folder):
            key = _read_key(path)
            if not key:
                key = secrets.token_urlsafe(50)
                write_private(path, key)
    return key


def _read_key(path: Path) -> str:
    try:
        key = path.read_bytes().strip()
    except FileNotFoundError:
        return ""
    if key and (len(key) < SHORTEST_KEY or not key.isascii() or not key.decode().isprintable()):
        raise RuntimeError(
            f"{path} is not the key that was created for this installation. Restore it from a backup. Without a backup, delete the file and enter the keys of providers again."
        )
    return key.decode()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock the folder for one process at a time; the kernel frees it however that one ends."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def write_private(path: Path, text: str) -> None:
    """Write a text into a file for its owner only: whole on the disk, or as it was before."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)  # the name too
    finally:
        os.close(descriptor)


def redis_socket(folder: Path) -> Path:
    """Return the path of the embedded Redis's socket; in a private temporary folder when the data folder's path is too long."""
    path = folder / "redis" / "redis.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_LIMIT:
        return path
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"atelier-{os.getuid()}-{digest}" / "redis.sock"


def has_pool() -> bool:
    """Return whether this process pools connections.

    The web process does, where many short requests share them, if psycopg's pool is installed.
    """
    return os.environ.get("ATELIER_PROCESS") == "web" and importlib.util.find_spec("psycopg_pool") is not None


def refuse_examples(settings: Mapping[str, str]) -> None:
    """Raise ImproperlyConfigured when a secret ({name: its value, or a URL with a password}) is still the example's.

    Every process reads the settings, so none of them starts with a secret that everybody knows.
    """
    for name, value in settings.items():
        secret = unquote(urlsplit(value).password or "") if "://" in value else value
        if secret.startswith("change-me"):
            raise ImproperlyConfigured(
                f"{name} is still the example value (change-me…). Set your own secret and start again: "
                'python -c "import secrets; print(secrets.token_urlsafe(50))" generates one.'
            )


def private_hosts(name: str) -> tuple[Opening, ...]:
    """Return the private hosts that a setting opens. Ends the program with a sentence when one of them is unclear."""
    try:
        return openings.parse(os.environ.get(name, ""))
    except ValueError as error:
        raise SystemExit(f"{name}: {error}") from None
