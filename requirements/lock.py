"""Write the locks cpu.txt, gpu.txt and test.txt from the .in files: `make lock`.

Each is resolved once for every Python that the project supports; a pin which is the same for all of them has no marker,
the others have one. So one file serves Python 3.11 to 3.14 and is still exact. Each pin has the hashes of all its
files: what an index serves under that name and is not one of them is refused. Pins stay unless `UPGRADE=1` asks for
newer ones.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
# The CPU build of torch is not on PyPI, so the resolver never sees it: its pin is in torch-cpu.txt, without a hash, and
# setup.py installs it in a step of its own; what it needs is in cpu.in.
HEADER = (
    "# Made by `make lock` from {source}; do not edit. Install with: pip install --no-deps --require-hashes -r {name}\n"
)
Pins = dict[str, list[str]]  # {"name==version": hashes of all its files, "sha256:…"}
# A resolver may be told of other indexes by its surroundings; a lock only ever names PyPI's versions.
COMPILE = (
    "uv",
    "pip",
    "compile",
    "--no-header",
    "--no-annotate",
    "--quiet",
    "--generate-hashes",
    "--python-platform",
    "x86_64-manylinux_2_31",
)


def resolve(source: str, python: str, cuts: list[str], constraints: list[Path]) -> Pins:
    """Return what `source` resolves to under one Python version."""
    command = [*COMPILE, "--python-version", python, str(HERE / source)]
    for cut in cuts:
        command += ["--overrides", str(HERE / cut)]
    for constraint in constraints:
        command += ["--constraints", str(constraint)]
    done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{source} for Python {python} has no solution:\n{done.stderr}")
    return parse(done.stdout)


def parse(text: str) -> Pins:
    """Read a requirements file with hashes; its comments, options and markers are left out."""
    pins: Pins = {}
    for line in text.replace("\\\n", " ").splitlines():
        if not line.strip() or line.lstrip().startswith(("#", "-")):
            continue
        pin = re.split(r"\s*;|\s+--hash", line)[0].strip()
        pins[pin] = sorted(re.findall(r"--hash=(\S+)", line))
    return pins


def merge(by_python: dict[str, Pins]) -> list[str]:
    """Merge the pins into one sorted list of requirements for all Pythons, each with its hashes on lines of their own."""
    lines = []
    for pin in sorted(set().union(*by_python.values())):
        pythons = [python for python in PYTHONS if pin in by_python[python]]
        hashes = sorted({digest for python in pythons for digest in by_python[python][pin]})
        if not hashes:
            sys.exit(f"{pin} has no hash: the index that this machine asks does not give any.")
        line = pin if len(pythons) == len(PYTHONS) else f"{pin} ; {marker(pythons)}"
        lines.append(" \\\n    --hash=".join([line, *hashes]))
    return lines


def marker(pythons: list[str]) -> str:
    """Return the marker for a run of neighbouring Python versions (or a list of single ones)."""
    return " or ".join(f'python_version == "{python}"' for python in pythons)


def name_of(line: str) -> str:
    return re.split(r"[=\[ ;]", line)[0]


def write(name: str, lines: list[str]) -> None:
    source = name.replace(".txt", ".in")
    (HERE / name).write_text(HEADER.format(source=source, name=name) + "\n".join(lines) + "\n")
    print(f"{name}: {len(lines)} pins")


def kept(name: str, folder: Path) -> list[Path]:
    """Return the pins of a lock as a constraint, so that a resolution keeps them."""
    pins = [line for line in (HERE / name).read_text().splitlines() if re.match(r"[\w.-]+==", line)]
    path = folder / name
    path.write_text("\n".join(line.rstrip(" \\") for line in pins) + "\n")
    return [path]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that the .in files allow")
    upgrade = parser.parse_args().upgrade
    with tempfile.TemporaryDirectory() as folder:
        held = {n: [] if upgrade else kept(n, Path(folder)) for n in ("cpu.txt", "gpu.txt", "test.txt")}
        write("cpu.txt", merge({p: resolve("cpu.in", p, ["cut.txt", "cut-cpu.txt"], held["cpu.txt"]) for p in PYTHONS}))
        write("gpu.txt", merge({p: resolve("gpu.in", p, ["cut.txt"], held["gpu.txt"]) for p in PYTHONS}))
        locked = {name_of(pin) for lock in ("cpu.txt", "gpu.txt") for pin in parse((HERE / lock).read_text())}
        both = [*kept("cpu.txt", Path(folder)), *held["test.txt"]]
        test = merge({p: resolve("test.in", p, [], both) for p in PYTHONS})
    # The test tools come on top of either lock and must never move a pin of it.
    write("test.txt", [line for line in test if name_of(line) not in locked])


if __name__ == "__main__":
    main()
