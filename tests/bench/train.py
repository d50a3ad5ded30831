"""Training the student on the sample: our trainer with the recipe that fits this machine, against trl's defaults."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.bench import student, workshop
from tests.bench.figures import Figure
from tests.bench.workshop import Options
from training import run_folder
from training.catalogue import get
from training.recipe.fit import Device, fit

STEPS = 25
WARM = 2  # steps that do not count: the first ones set up what the others use


def measure(options: Options) -> list[Figure]:
    base, rows = student.base(options), student.conversations()
    recipe = fit(Device.detect(), get(student.store.STUDENT)).replace(max_steps=STEPS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run_folder.write(folder / "ours", run_folder.TrainingOrder(recipe, base), rows)
        run(["-m", "training.trainer", str(folder / "ours")])
        peer = {"base": str(base), "rows": rows, "rank": recipe.rank, "alpha": recipe.alpha}
        (folder / "peer.json").write_text(json.dumps(peer))
        run(["-m", "tests.bench.peer_trl", str(folder)])
        peer_rate = json.loads((folder / "rate.json").read_text())
        ours = rate(run_folder.metrics(folder / "ours"))
    reference = f"trl {peer_rate['trl']} SFTTrainer's defaults with the same LoRA, {peer_rate['steps']} steps"
    return [Figure("train", ours, "tokens/s", reference, peer_rate["tokens_per_s"])]


def rate(steps: list[dict[str, Any]]) -> float:
    """Return the tokens read per second after the first steps; padding does not count."""
    first, last = steps[WARM - 1], steps[-1]
    return (last["tokens"] - first["tokens"]) / (last["seconds"] - first["seconds"])


def run(arguments: list[str]) -> None:
    """Run a command. Raises RuntimeError with the last lines of its output."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=workshop.ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode:
        raise RuntimeError(f"{arguments[1]} ended with {done.returncode}: {done.stdout[-600:]}")
