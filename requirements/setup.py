"""Set up the one environment in `.venv`: `make setup`, and before every other verb of the Makefile.

Standard library only. Chooses the lock (gpu.txt where nvidia-smi sees a GPU, else cpu.txt), takes the CPU build of
torch from where pip is configured to look or else from PyTorch's own index, and ends by importing torch and vllm. Every
file of every other package must have the hash that its lock names. torch's CPU build is the exception: it is not on
PyPI, and its server vouches for it. Repeating it when nothing changed takes a fraction of a second: a stamp holds the
hash of what was installed.
"""

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENV = HERE.parent / ".venv"
PYTHON = VENV / "bin" / "python"
CPU_TORCH = "torch-cpu.txt"
PYTORCH_INDEX = "https://download.pytorch.org/whl/cpu"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--test", action="store_true", help="also install the test tools")
    arguments = parser.parse_args()
    if sys.version_info < (3, 11):  # noqa: UP036 - this is the one file that an older Python runs
        sys.exit(f"Atelier needs Python 3.11 or newer; {sys.executable} is {sys.version.split()[0]}.")
    VENV.mkdir(exist_ok=True)
    with open(VENV / "setup.lock", "w") as lock:
        # Two verbs started at once must not install into each other's hands.
        fcntl.flock(lock, fcntl.LOCK_EX)
        models = "gpu.txt" if has_gpu() else "cpu.txt"
        once(models, install_models)
        if arguments.test:
            once("test.txt", install)


def once(lock: str, work) -> None:
    """Run `work(lock)` unless the stamp records that exactly this was done."""
    stamp = VENV / f"{lock}.stamp"
    wanted = fingerprint(lock)
    if stamp.exists() and stamp.read_text() == wanted and PYTHON.exists():
        return
    if not PYTHON.exists():
        make_environment()
    work(lock)
    stamp.write_text(wanted)


def fingerprint(lock: str) -> str:
    also = [(HERE / CPU_TORCH).read_bytes()] if lock == "cpu.txt" else []
    parts = (sys.version.encode(), (HERE / lock).read_bytes(), *also)
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def has_gpu() -> bool:
    """Return whether nvidia-smi is there and lists at least one GPU."""
    if not shutil.which("nvidia-smi"):
        return False
    try:
        done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and "GPU " in done.stdout


def make_environment() -> None:
    say(f"Making {VENV.name} with Python {sys.version.split()[0]}")
    try:
        venv.create(VENV, with_pip=True, symlinks=True)
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(
            f"The environment could not be made ({error}). On Debian and Ubuntu the package python3-venv is needed."
        )


def install_models(lock: str) -> None:
    if lock == "cpu.txt":
        lines = (HERE / CPU_TORCH).read_text().splitlines()
        install_cpu_torch(next(line for line in lines if line.startswith("torch==")))
    install(lock)
    check_imports()


def install_cpu_torch(pin: str) -> None:
    """Install `pin` (torch==X+cpu). PyPI has only CUDA builds, so it is never queried for it."""
    local = ["--no-index", *local_sources()]
    if pip("--quiet", "install", "--dry-run", "--no-deps", *local, pin, quiet=True) == 0:
        say(f"Installing {pin} from the files that pip is configured with")
        code = pip("install", "-qq", "--no-deps", *local, pin)
    else:
        say(f"Installing {pin} from {PYTORCH_INDEX} (about 200 MB)")
        code = pip("install", "--no-deps", "--retries", "2", "--timeout", "20", "--index-url", PYTORCH_INDEX, pin)
    if code:
        sys.exit(
            f"{pin} could not be installed. It comes from {PYTORCH_INDEX}: check that this machine reaches it, or put "
            "the wheel for your Python in a folder and name the folder in PIP_FIND_LINKS."
        )


def local_sources() -> list[str]:
    """Return options that keep pip to files: its find-links are already set, its file: indexes are added page by page.

    So nothing waits on a network: an index that is a URL is left out.
    """
    listed = subprocess.run([PYTHON, "-m", "pip", "config", "list"], capture_output=True, text=True).stdout
    urls = [
        word.strip("'\"")
        for line in listed.splitlines()
        if line.partition("=")[0].endswith("index-url")
        for word in line.partition("=")[2].replace("\\n", " ").split()
    ]
    pages = [f"{url.strip(chr(39)).rstrip('/')}/torch/index.html" for url in urls if url.startswith("file:")]
    return [part for page in pages for part in ("--find-links", page)]


def install(lock: str) -> None:
    count = sum(1 for line in (HERE / lock).read_text().splitlines() if "==" in line)
    say(f"Installing the {count} packages of requirements/{lock} (some minutes the first time)")
    # Every dependency is in the lock: pip must not add what was cut from it, such as CUDA on a machine without a GPU.
    if pip("install", "-qq", "--no-deps", "--require-hashes", "-r", str(HERE / lock)):
        sys.exit(
            f"requirements/{lock} could not be installed; pip's own words are above. Running this again continues. "
            "A hash that does not match means that the index serves another file than the one that was locked."
        )


def check_imports() -> None:
    say("Checking that torch and vllm import")
    code = "import torch, vllm; print(f'torch {torch.__version__}, vllm {vllm.__version__}')"
    done = subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, cwd=HERE.parent)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        sys.exit(f"The environment is installed, but torch or vllm does not import: {reason}")
    say(f"Ready: {done.stdout.strip().splitlines()[-1]}")


def pip(*arguments: str, quiet: bool = False) -> int:
    hide = subprocess.DEVNULL if quiet else None
    environment = os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    return subprocess.run([PYTHON, "-m", "pip", *arguments], stdout=hide, stderr=hide, env=environment).returncode


def say(sentence: str) -> None:
    print(f"setup: {sentence}", flush=True)


if __name__ == "__main__":
    main()
