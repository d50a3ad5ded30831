"""Write the locks cpu.txt, gpu.txt and test.txt from the .in files: `make lock`.

Each is resolved once for every Python that the project supports; a pin which is the same for all of them stands alone,
the others carry a marker. So one file serves Python 3.11 to 3.14 and is still exact.
"""

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
# The +cpu builds are not on PyPI, so the resolver never sees them; what they need stands in cpu.in.
CPU_TORCH = "torch==2.13.0+cpu"
HEADER = "# Made by `make lock` from {source}; do not edit. Install with: pip install --no-deps -r {name}\n"
# A resolver may be told of other indexes by its surroundings; a lock only ever names PyPI's versions.
COMPILE = (
    "uv",
    "pip",
    "compile",
    "--no-header",
    "--no-annotate",
    "--quiet",
    "--python-platform",
    "x86_64-manylinux_2_31",
)


def resolve(source: str, python: str, cuts: list[str], constraint: str | None = None) -> set[str]:
    """The pins ("name==version") that `source` resolves to under one Python version."""
    command = [*COMPILE, "--python-version", python, str(HERE / source)]
    for cut in cuts:
        command += ["--overrides", str(HERE / cut)]
    if constraint:
        command += ["--constraints", str(HERE / constraint)]
    done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{source} for Python {python} has no solution:\n{done.stderr}")
    pins = (re.split(r"\s*;", line)[0].strip() for line in done.stdout.splitlines())
    return {pin for pin in pins if pin and not pin.startswith(("#", "-"))}


def merge(by_python: dict[str, set[str]]) -> list[str]:
    """One sorted list of requirement lines for all Pythons."""
    lines = []
    for pin in sorted(set().union(*by_python.values())):
        pythons = [python for python in PYTHONS if pin in by_python[python]]
        lines.append(pin if len(pythons) == len(PYTHONS) else f"{pin} ; {marker(pythons)}")
    return lines


def marker(pythons: list[str]) -> str:
    """The marker for a run of neighbouring Python versions (or a list of single ones)."""
    return " or ".join(f'python_version == "{python}"' for python in pythons)


def name_of(line: str) -> str:
    return re.split(r"[=\[ ;]", line)[0]


def write(name: str, lines: list[str]) -> None:
    source = name.replace(".txt", ".in")
    (HERE / name).write_text(HEADER.format(source=source, name=name) + "\n".join(lines) + "\n")
    print(f"{name}: {len(lines)} pins")


def main() -> None:
    cpu = merge({p: resolve("cpu.in", p, ["cut.txt", "cut-cpu.txt"]) for p in PYTHONS})
    write("cpu.txt", sorted([*cpu, CPU_TORCH]))
    write("gpu.txt", merge({p: resolve("gpu.in", p, ["cut.txt"]) for p in PYTHONS}))
    locked = {name_of(line) for lock in ("cpu.txt", "gpu.txt") for line in (HERE / lock).read_text().splitlines()}
    test = merge({p: resolve("test.in", p, [], "cpu.txt") for p in PYTHONS})
    # The test tools come on top of either lock and must never move a pin of it.
    write("test.txt", [line for line in test if name_of(line) not in locked])


if __name__ == "__main__":
    main()
