"""Measure what Atelier does, each figure beside the floor or the peer of the same run. See docs/performance.md.

python -m tests.bench --only import,list --rows 10000
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from rich.console import Console

from tests.bench.child import MODULES
from tests.bench.figures import Figure, table
from tests.bench.workshop import ROOT
from tests.fakes.loopback import EVERY_PORT_TEXT

STOP_SECONDS = 15


def main(argv: list[str] | None = None) -> int:
    """Run the benches; return 0 when every bench gave its figures, 1 when one failed, 130 after Ctrl-C."""
    options = arguments(argv)
    for wish in (signal.SIGTERM, signal.SIGINT):  # a shell starts what runs in its background deaf to SIGINT
        signal.signal(wish, signal.default_int_handler)
    figures: list[dict[str, Any]] = []
    console = Console(stderr=True)
    try:
        with tempfile.TemporaryDirectory(prefix="atelier-bench-") as folder, database(options.database) as url:
            for name in options.only:
                console.print(f"[bold]{name}[/] (load {os.getloadavg()[0]:.1f})")
                figures += bench(name, options, Path(folder), url)
                write(options.out, figures)
    except KeyboardInterrupt:
        console.print("Stopped.")
        return 130
    Console().print(table(figures))
    console.print(f"Written to {options.out}")
    return int(any("error" in figure for figure in figures))


def arguments(argv: list[str] | None) -> argparse.Namespace:
    home = Path(os.environ.get("ATELIER_DATA") or ROOT / "var").resolve()
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", type=names, default=list(MODULES), help=f"some of {','.join(MODULES)}")
    parser.add_argument("--rows", type=int, default=100_000, help="rows of import, list and export")
    parser.add_argument(
        "--records",
        type=int,
        default=0,
        help="size of list and freeze, filled by SQL; the list is asked every kind of question",
    )
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="sqlite",
                        help="postgres makes a database of its own beside the one DATABASE_URL names")  # fmt: skip
    parser.add_argument("--home", type=Path, default=home, help="keeps the rows and base models between runs")
    parser.add_argument("--out", type=Path, help="where the figures go; bench.json in the home unless given")
    options = parser.parse_args(argv)
    if options.rows < 100:
        parser.error("--rows must be at least 100.")
    if options.database == "postgres" and not os.environ.get("DATABASE_URL", "").startswith("postgres"):
        parser.error("--database postgres needs DATABASE_URL=postgres://USER@HOST:PORT/NAME.")
    options.out = options.out or options.home / "bench.json"
    return options


def names(text: str) -> list[str]:
    """Return benches in the order in which they help each other. Raises ArgumentTypeError."""
    wanted = [name.strip() for name in text.split(",") if name.strip()]
    if unknown := [name for name in wanted if name not in MODULES]:
        raise argparse.ArgumentTypeError(f"there is no bench {unknown[0]!r}. Use some of {', '.join(MODULES)}")
    return [name for name in MODULES if name in wanted]


@contextmanager
def database(kind: str) -> Iterator[str]:
    """Provide the URL of an empty database that ends with the run; an empty URL is SQLite in the data folder."""
    if kind == "sqlite":
        yield ""
        return
    import psycopg

    given = os.environ["DATABASE_URL"]
    name = f"atelier_bench_{uuid4().hex[:8]}"
    with psycopg.connect(given, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        try:
            yield given.rpartition("/")[0] + "/" + name
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def bench(name: str, options: argparse.Namespace, folder: Path, url: str) -> list[dict[str, Any]]:
    """Return the figures of one bench; a failed one is a row with the reason, and the others continue."""
    out = folder / f"{name}.json"
    # One data folder for the run, so that the list and the export find what the import left.
    environment = {"ATELIER_DATA": str(folder / "data"), "DJANGO_SETTINGS_MODULE": "atelier.settings",
                   "ATELIER_LOG_LEVEL": "ERROR", "ATELIER_PRIVATE_HOSTS": EVERY_PORT_TEXT, "DATABASE_URL": url, "REDIS_URL": ""}  # fmt: skip
    command = [
        sys.executable,
        "-m",
        "tests.bench.child",
        name,
        str(out),
        str(options.home),
        str(options.rows),
        str(options.records),
    ]
    code = run(command, {**os.environ, **environment})
    found = json.loads(out.read_text()) if out.exists() else {"error": f"It ended with code {code} and no figures."}
    return found if isinstance(found, list) else [Figure(name, error=found["error"]).as_json()]


def run(command: list[str], environment: dict[str, str]) -> int:
    """Run a command in a group of its own and wait; however that ends, nothing of the group stays."""
    process = subprocess.Popen(command, env=environment, cwd=ROOT, start_new_session=True)
    try:
        return process.wait()
    except KeyboardInterrupt:
        # It then ends what it started itself, such as vLLM, which has a group of its own.
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        raise
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def write(path: Path, figures: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
