"""Reading the environment, and the few files that an installation makes for itself. No Django here."""

import hashlib
import importlib.util
import os
import secrets
import tempfile
from pathlib import Path

SOCKET_PATH_LIMIT = 100  # Linux allows 107 bytes for the path of a unix socket.


def flag(name: str) -> bool:
    """True when the variable is set to 1, true, yes or on."""
    return os.environ.get(name, "").lower() in {"1", "true", "yes", "on"}


def words(name: str, default: str) -> list[str]:
    """A list separated by spaces or commas."""
    return os.environ.get(name, default).replace(",", " ").split()


def data_dir(base: Path) -> Path:
    """The folder of everything that this installation keeps: `ATELIER_DATA`, or `var/` beside manage.py."""
    folder = Path(os.environ.get("ATELIER_DATA") or base / "var").resolve()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def secret_key(folder: Path) -> str:
    """The installation's own key: `ATELIER_SECRET_KEY`, else made once and kept readable for its owner only."""
    given = os.environ.get("ATELIER_SECRET_KEY")
    if given:
        return given
    path = folder / "secret.key"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    key = secrets.token_urlsafe(50)
    with os.fdopen(descriptor, "w") as file:
        file.write(key)
    return key


def redis_socket(folder: Path) -> Path:
    """Where the embedded Redis listens; in a private temporary folder when the data folder's path is too long."""
    path = folder / "redis" / "redis.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_LIMIT:
        return path
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"atelier-{os.getuid()}-{digest}" / "redis.sock"


def has_pool() -> bool:
    """True in the web process, where many short requests share connections, if psycopg's pool is installed."""
    return os.environ.get("ATELIER_PROCESS") == "web" and importlib.util.find_spec("psycopg_pool") is not None
