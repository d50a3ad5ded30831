"""A tiny base model under a manifest, made in a process of its own: the tests' own never loads torch."""

import subprocess
import sys
from pathlib import Path

from training import manifest


def ensure(folder: Path) -> Path:
    """Return the model in `folder`, created if it is not there."""
    if manifest.problem(folder, hashes=False):
        subprocess.run([sys.executable, "-m", "tests.fakes.tiny_model", str(folder)], check=True, capture_output=True)
    return folder


if __name__ == "__main__":
    from tests.training.tiny_bases import tiny_llama

    tiny_llama(Path(sys.argv[1]))
    manifest.write(Path(sys.argv[1]), slug=Path(sys.argv[1]).name, source="tiny", revision="tiny-1")
