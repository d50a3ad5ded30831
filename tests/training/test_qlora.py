"""Whole trainings of tiny bases in their own process, stopped, killed and damaged on the way."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.training import bases
from training import manifest, rundir
from training.recipe import Recipe

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parent.parent.parent
QUICK = Recipe(base="tiny", epochs=2, batch_size=4, rank=4, alpha=8, learning_rate=1e-2, warmup=0.0, save_every=4)
# What a supervisor gives it: nothing of the application's secrets.
CLEAN = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ} | {"OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def llama(tmp_path_factory) -> Path:
    return bases.tiny_llama(tmp_path_factory.mktemp("llama") / "base")


@pytest.fixture(scope="module")
def mistral(tmp_path_factory) -> Path:
    return bases.tiny_mistral(tmp_path_factory.mktemp("mistral") / "base")


def prepare(folder: Path, base: Path, recipe: Recipe = QUICK, tokenizer: str = "chat-template", rows=None) -> Path:
    order = rundir.Order(recipe, base, tokenizer, {"dataset_hash": "abc", "code_version": "test"})
    rundir.write(folder, order, bases.rows() if rows is None else rows, bases.rows(4))
    return folder


def start(folder: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "training.qlora", str(folder)]
    with open(folder / "log", "a") as log:
        return subprocess.Popen(command, cwd=ROOT, env=CLEAN, stdout=log, stderr=log)


def train(folder: Path) -> int:
    return start(folder).wait(timeout=600)


def until_step(folder: Path, step: int, child: subprocess.Popen) -> None:
    while not rundir.metrics(folder, after=step - 1):
        assert child.poll() is None, (folder / "log").read_text()
        time.sleep(0.005)


def adapter(folder: Path) -> dict[str, str]:
    return {name: about["sha256"] for name, about in manifest.read(folder / "adapter")["files"].items()}


def steps(folder: Path) -> list[int]:
    return [row["step"] for row in rundir.metrics(folder)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory, llama) -> Path:
    """An undisturbed run of 60 steps, to compare with."""
    folder = prepare(tmp_path_factory.mktemp("runs") / "whole", llama, QUICK.replace(epochs=10))
    assert train(folder) == rundir.DONE, (folder / "log").read_text()
    return folder


def test_a_run_leaves_an_adapter_its_curve_and_where_it_comes_from(whole):
    assert steps(whole) == list(range(1, 61))
    rows = rundir.metrics(whole)
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert [row["step"] for row in rows if row["eval_loss"] is not None] == list(range(6, 61, 6))
    assert {"learning_rate", "grad_norm", "tokens_per_s", "tokens", "epoch", "memory_mb", "seconds"} <= rows[0].keys()
    meta = json.loads((whole / "meta.json").read_text())
    assert (meta["finish"], meta["steps"], meta["rows"], meta["dataset_hash"]) == ("completed", 60, 24, "abc")
    assert meta["adapter_sha256"] == adapter(whole)
    state = rundir.state(whole)
    assert (state["phase"], state["step"], state["total_steps"], state["seconds_left"]) == ("done", 60, 60, 0)


def test_nothing_on_disk_is_a_pickle_or_names_this_machine(whole):
    for path in (path for path in whole.rglob("*") if path.is_file()):
        assert path.suffix not in (".bin", ".pt", ".pth", ".pkl"), path
    assert str(whole.parent) not in (whole / "adapter" / "adapter_config.json").read_text()
    assert "/" not in json.loads((whole / "adapter" / "adapter_config.json").read_text())["base_model_name_or_path"]


def test_a_finished_run_is_not_done_again(whole):
    before = adapter(whole)
    assert train(whole) == rundir.DONE
    assert adapter(whole) == before


def test_killed_twice_it_ends_bit_equal(tmp_path, llama, whole):
    folder = prepare(tmp_path / "run", llama, QUICK.replace(epochs=10))
    for step in (9, 30):
        child = start(folder)
        until_step(folder, step, child)
        child.kill()
        child.wait()
        assert not rundir.is_done(folder)
    assert train(folder) == rundir.DONE
    assert rundir.state(folder)["resumed_from"] >= 28
    assert steps(folder) == list(range(1, 61))
    assert [row["loss"] for row in rundir.metrics(folder)] == [row["loss"] for row in rundir.metrics(whole)]
    assert adapter(folder) == adapter(whole)


def test_terminated_it_saves_and_goes_on_bit_equal_past_a_damaged_checkpoint(tmp_path, llama, whole):
    folder = prepare(tmp_path / "run", llama, QUICK.replace(epochs=10))
    child = start(folder)
    until_step(folder, 13, child)
    child.send_signal(signal.SIGTERM)
    assert child.wait(timeout=60) == rundir.STOPPED
    state = rundir.state(folder)
    assert (state["phase"], state["finish"], state["checkpoint"]) == ("stopped", "stopped", state["step"])
    newest = folder / "checkpoints" / f"step-{state['step']:06d}" / "adapter.safetensors"
    content = bytearray(newest.read_bytes())
    content[-1] ^= 1
    newest.write_bytes(content)
    assert train(folder) == rundir.DONE
    after = rundir.state(folder)
    assert after["resumed_from"] < state["step"]
    assert "adapter.safetensors has changed" in after["notes"][0]
    assert adapter(folder) == adapter(whole)


def test_stop_and_save_leaves_an_adapter(tmp_path, llama):
    folder = prepare(tmp_path / "run", llama, QUICK.replace(epochs=100))
    child = start(folder)
    until_step(folder, 3, child)
    rundir.ask_to_stop(folder)
    assert child.wait(timeout=60) == rundir.DONE
    assert rundir.is_done(folder)
    assert rundir.state(folder)["finish"] == json.loads((folder / "meta.json").read_text())["finish"] == "stopped early"


def test_a_time_limit_leaves_an_adapter_too(tmp_path, llama):
    folder = prepare(tmp_path / "run", llama, QUICK.replace(epochs=100, max_minutes=0.02))
    assert train(folder) == rundir.DONE
    assert rundir.state(folder)["finish"] == "stopped early"
    assert rundir.metrics(folder)[-1]["seconds"] > 1.2


def test_a_tiny_mistral_learns_with_mistrals_tokens(tmp_path, mistral):
    folder = prepare(tmp_path / "run", mistral, QUICK, "mistral-v3")
    assert train(folder) == rundir.DONE, (folder / "log").read_text()
    rows = rundir.metrics(folder)
    assert rows[-1]["loss"] < rows[0]["loss"]


def test_nf4_works_on_a_processor(tmp_path, llama):
    # A validation at every step: bitsandbytes must not repack the weights in it.
    recipe = QUICK.replace(method="qlora", max_steps=4, eval_every=1, gradient_checkpointing=True)
    folder = prepare(tmp_path / "run", llama, recipe)
    assert train(folder) == rundir.DONE, (folder / "log").read_text()
    assert steps(folder) == [1, 2, 3, 4]
    assert all(row["grad_norm"] > 0.1 * rundir.metrics(folder)[0]["grad_norm"] for row in rundir.metrics(folder))
    from safetensors.torch import load_file

    weights = load_file(folder / "adapter" / "adapter_model.safetensors")
    assert {str(tensor.dtype) for tensor in weights.values()} == {"torch.float32"}


@pytest.mark.parametrize(
    ("change", "rows", "code", "words"),
    [
        ({}, [], "bad_data", "no rows to train on"),
        ({"targets": "no_such_layer"}, None, "bad_recipe", "adapted layers do not fit"),
        ({"max_length": 16}, None, "bad_data", "longer than 16 tokens"),
    ],
)
def test_what_cannot_be_trained_is_refused_with_a_sentence(tmp_path, llama, change, rows, code, words):
    folder = prepare(tmp_path / "run", llama, QUICK.replace(**change), rows=rows)
    assert train(folder) == rundir.FAILED
    state = rundir.state(folder)
    assert state["phase"] == "failed"
    assert state["failure"]["code"] == code
    assert words in state["failure"]["sentence"]


def test_a_loss_that_is_no_number_ends_the_run(tmp_path, llama):
    import shutil

    from safetensors.torch import load_file, save_file

    base = Path(shutil.copytree(llama, tmp_path / "base"))
    weights = load_file(base / "model.safetensors")
    weights["model.norm.weight"].fill_(float("nan"))
    save_file(weights, base / "model.safetensors", {"format": "pt"})
    folder = prepare(tmp_path / "run", base)
    assert train(folder) == rundir.FAILED
    assert rundir.state(folder)["failure"]["code"] == "nan_loss"
    assert not (folder / "adapter").exists()


def test_a_base_with_code_of_its_own_is_refused(tmp_path, llama):
    import shutil

    base = Path(shutil.copytree(llama, tmp_path / "base"))
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModel": "evil.Model"}}))
    folder = prepare(tmp_path / "run", base)
    assert train(folder) == rundir.FAILED
    assert rundir.state(folder)["failure"]["code"] == "bad_base"


def test_a_full_disk_is_told_and_the_last_checkpoint_stands(tmp_path, llama):
    folder = prepare(tmp_path / "run", llama, QUICK.replace(epochs=100, save_every=5))
    # A limit on the size of any file stands in for the full disk; the first checkpoints are made without it.
    child = start(folder)
    until_step(folder, 12, child)
    resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (2000, 2000))
    assert child.wait(timeout=60) == rundir.FAILED
    assert rundir.state(folder)["failure"]["code"] == "disk_full"
    newest = max((folder / "checkpoints").glob("step-*"))
    assert not manifest.problem(newest)
