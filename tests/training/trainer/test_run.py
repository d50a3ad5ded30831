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

from tests.training import tiny_bases
from training import manifest, run_folder
from training.recipe.fields import Recipe

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]
QUICK = Recipe(base="tiny", epochs=2, batch_size=4, rank=4, alpha=8, learning_rate=1e-2, warmup=0.0, save_every=4)
# What a supervisor gives it: nothing of the application's secrets.
CLEAN = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ} | {"OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def llama(tmp_path_factory) -> Path:
    return tiny_bases.tiny_llama(tmp_path_factory.mktemp("llama") / "base")


@pytest.fixture(scope="module")
def mistral(tmp_path_factory) -> Path:
    return tiny_bases.tiny_mistral(tmp_path_factory.mktemp("mistral") / "base")


def prepare(
    folder: Path, base: Path, recipe: Recipe = QUICK, tokenizer: str = "chat-template", rows=None, validation: int = 4
) -> Path:
    order = run_folder.TrainingOrder(recipe, base, tokenizer, {"dataset_hash": "abc", "code_version": "test"})
    run_folder.write(folder, order, tiny_bases.rows() if rows is None else rows, tiny_bases.rows(validation))
    return folder


def start(folder: Path, **more: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "training.trainer", str(folder)]
    with open(folder / "log", "a") as log:
        return subprocess.Popen(command, cwd=ROOT, env=CLEAN | more, stdout=log, stderr=log)


def train(folder: Path) -> int:
    return start(folder).wait(timeout=600)


def until_step(folder: Path, step: int, child: subprocess.Popen) -> None:
    while not run_folder.metrics(folder, after=step - 1):
        assert child.poll() is None, (folder / "log").read_text()
        time.sleep(0.005)


def until_phase(folder: Path, phase: str, child: subprocess.Popen) -> None:
    while run_folder.state(folder).get("phase") != phase:
        assert child.poll() is None, (folder / "log").read_text()
        time.sleep(0.005)


def adapter(folder: Path) -> dict[str, str]:
    return {name: about["sha256"] for name, about in manifest.read(folder / "adapter")["files"].items()}


def steps(folder: Path) -> list[int]:
    return [row["step"] for row in run_folder.metrics(folder)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory, llama) -> Path:
    """An undisturbed run of 60 steps, to compare with."""
    folder = prepare(tmp_path_factory.mktemp("runs") / "whole", llama, QUICK.replace(epochs=10))
    assert train(folder) == run_folder.DONE, (folder / "log").read_text()
    return folder


def test_a_run_leaves_an_adapter_its_curve_and_where_it_comes_from(whole):
    assert steps(whole) == list(range(1, 61))
    rows = run_folder.metrics(whole)
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert [row["step"] for row in rows if row["eval_loss"] is not None] == list(range(6, 61, 6))
    assert {"learning_rate", "grad_norm", "tokens_per_s", "tokens", "epoch", "memory_mb", "seconds"} <= rows[0].keys()
    meta = json.loads((whole / "meta.json").read_text())
    assert (meta["finish"], meta["steps"], meta["rows"], meta["dataset_hash"]) == ("completed", 60, 24, "abc")
    assert meta["adapter_sha256"] == adapter(whole)
    state = run_folder.state(whole)
    assert (state["phase"], state["step"], state["total_steps"], state["seconds_left"]) == ("done", 60, 60, 0)


def test_nothing_on_disk_is_a_pickle_or_names_this_machine(whole):
    for path in (path for path in whole.rglob("*") if path.is_file()):
        assert path.suffix not in (".bin", ".pt", ".pth", ".pkl"), path
    assert str(whole.parent) not in (whole / "adapter" / "adapter_config.json").read_text()
    assert "/" not in json.loads((whole / "adapter" / "adapter_config.json").read_text())["base_model_name_or_path"]


def test_a_finished_run_is_not_done_again(whole):
    before = adapter(whole)
    assert train(whole) == run_folder.DONE
    assert adapter(whole) == before


def test_killed_twice_it_ends_bit_equal(tmp_path, llama, whole):
    folder = prepare(tmp_path / "run", llama, QUICK.replace(epochs=10))
    for step in (9, 30):
        child = start(folder)
        until_step(folder, step, child)
        child.kill()
        child.wait()
        assert not run_folder.is_done(folder)
    assert train(folder) == run_folder.DONE
    assert run_folder.state(folder)["resumed_from"] >= 28
    assert steps(folder) == list(range(1, 61))
    assert [row["loss"] for row in run_folder.metrics(folder)] == [row["loss"] for row in run_folder.metrics(whole)]
    assert adapter(folder) == adapter(whole)


def test_terminated_it_saves_and_goes_on_bit_equal_past_a_damaged_checkpoint(tmp_path, llama, whole):
    folder = prepare(tmp_path / "run", llama, QUICK.replace(epochs=10))
    child = start(folder)
    until_step(folder, 13, child)
    child.send_signal(signal.SIGTERM)
    assert child.wait(timeout=60) == run_folder.STOPPED
    state = run_folder.state(folder)
    assert (state["phase"], state["finish"], state["checkpoint"]) == ("stopped", "stopped", state["step"])
    newest = folder / "checkpoints" / f"step-{state['step']:06d}" / "adapter.safetensors"
    content = bytearray(newest.read_bytes())
    content[-1] ^= 1
    newest.write_bytes(content)
    assert train(folder) == run_folder.DONE
    after = run_folder.state(folder)
    assert after["resumed_from"] < state["step"]
    assert "adapter.safetensors has changed" in after["notes"][0]
    assert adapter(folder) == adapter(whole)


def test_paused_in_the_middle_of_a_long_step_it_keeps_the_last_finished_one(tmp_path, llama):
    # Two steps an epoch of 150 small passes each; no checkpoint is due before the end.
    recipe = QUICK.replace(epochs=3, batch_size=1, accumulation=150, dropout=0.1, save_every=100, eval_every=100)
    rows = tiny_bases.rows(300)
    folders = [prepare(tmp_path / name, llama, recipe, rows=rows) for name in ("paused", "whole")]
    child = start(folders[0])
    until_step(folders[0], 3, child)
    time.sleep(0.3)
    child.send_signal(signal.SIGTERM)
    assert child.wait(timeout=60) == run_folder.STOPPED
    state = run_folder.state(folders[0])
    assert (state["step"], state["checkpoint"], state["phase"]) == (3, 3, "stopped"), "step 4 was not waited for"
    assert "paused after step 3" in (folders[0] / "log").read_text()
    assert [train(folder) for folder in folders] == [run_folder.DONE] * 2
    assert run_folder.state(folders[0])["resumed_from"] == 3
    assert adapter(folders[0]) == adapter(folders[1])


def test_paused_in_a_validation_it_makes_up_for_it(tmp_path, llama):
    recipe = QUICK.replace(max_steps=6, eval_every=3, save_every=100)
    folders = [prepare(tmp_path / name, llama, recipe, validation=600) for name in ("paused", "whole")]
    child = start(folders[0])
    until_phase(folders[0], "validating", child)
    child.send_signal(signal.SIGTERM)
    assert child.wait(timeout=60) == run_folder.STOPPED
    (row,) = run_folder.metrics(folders[0], after=2)
    assert (row["step"], row["eval_loss"]) == (3, None)
    assert [train(folder) for folder in folders] == [run_folder.DONE] * 2
    losses = [
        [(row["step"], row["loss"], row["eval_loss"]) for row in run_folder.metrics(folder)] for folder in folders
    ]
    assert losses[0] == losses[1]
    assert losses[0][2][2] is not None
    assert adapter(folders[0]) == adapter(folders[1])


def test_the_validation_loss_is_a_mean_of_tokens_whatever_the_batch(tmp_path, llama):
    import torch
    from transformers import AutoModelForCausalLM

    from training.trainer.template_codec import TemplateCodec

    found = []
    for size in (1, 9):
        recipe = QUICK.replace(max_steps=1, batch_size=size, learning_rate=1e-7)
        folder = prepare(tmp_path / str(size), llama, recipe, validation=13)
        assert train(folder) == run_folder.DONE, (folder / "log").read_text()
        (row,) = run_folder.metrics(folder)
        found.append((row["eval_loss"], row["eval_accuracy"]))
    model, codec = AutoModelForCausalLM.from_pretrained(llama), TemplateCodec(llama)
    nll, right, count = 0.0, 0, 0
    for conversation in tiny_bases.rows(13):
        (row,) = codec.encode(conversation["messages"])
        labels = torch.tensor(row.labels[1:])
        logits = model(torch.tensor([row.input_ids])).logits[0, :-1][labels != -100]
        nll += float(torch.nn.functional.cross_entropy(logits, labels[labels != -100], reduction="sum"))
        right += int((logits.argmax(-1) == labels[labels != -100]).sum())
        count += len(logits)
    assert found == [pytest.approx((nll / count, right / count), rel=1e-3)] * 2


def test_a_constant_rate_is_warmed_up_too(tmp_path, llama):
    folder = prepare(tmp_path / "run", llama, QUICK.replace(max_steps=6, schedule="constant", warmup=3))
    assert train(folder) == run_folder.DONE, (folder / "log").read_text()
    rates = [row["learning_rate"] for row in run_folder.metrics(folder)]
    assert rates[0] < rates[1] < rates[2] <= rates[3] == rates[4] == rates[5] == 1e-2


def test_several_processes_are_refused(tmp_path, llama):
    folder = prepare(tmp_path / "run", llama)
    assert start(folder, WORLD_SIZE="2").wait(timeout=600) == run_folder.FAILED
    assert (
        run_folder.state(folder)["failure"]["sentence"]
        == "The trainer was started as 2 processes, and it trains in one."
    )


def test_a_system_prompt_of_an_older_mistral_is_learned_with_every_turn(tmp_path, mistral):
    turns = [{"role": role, "content": f"{role} {n}"} for n in range(3) for role in ("user", "assistant")]
    rows = [{"id": f"r{n}", "messages": turns} for n in range(4)]
    folder = prepare(
        tmp_path / "run", mistral, QUICK.replace(max_steps=2, system_prompt="Be brief."), "mistral-v3", rows
    )
    assert train(folder) == run_folder.DONE, (folder / "log").read_text()
    assert any(note.startswith("4 conversations became 12 rows") for note in run_folder.state(folder)["notes"])
    meta = json.loads((folder / "meta.json").read_text())
    assert (meta["rows"], meta["rows_tokenised"]) == (4, 12)


def test_stop_and_save_leaves_an_adapter(tmp_path, llama):
    folder = prepare(tmp_path / "run", llama, QUICK.replace(epochs=100))
    child = start(folder)
    until_step(folder, 3, child)
    run_folder.ask_to_stop(folder)
    assert child.wait(timeout=60) == run_folder.DONE
    assert run_folder.is_done(folder)
    assert (
        run_folder.state(folder)["finish"]
        == json.loads((folder / "meta.json").read_text())["finish"]
        == "stopped early"
    )


def test_a_time_limit_leaves_an_adapter_too(tmp_path, llama):
    folder = prepare(tmp_path / "run", llama, QUICK.replace(epochs=100, max_minutes=0.0001))
    assert train(folder) == run_folder.DONE
    assert run_folder.state(folder)["finish"] == "stopped early"
    assert steps(folder) == [1]


def test_a_time_limit_shrinks_the_schedule_to_end_with_it(tmp_path, llama):
    recipe = QUICK.replace(epochs=100, max_minutes=0.2, save_every=10**6, warmup=0.01)
    folder = prepare(tmp_path / "run", llama, recipe, rows=tiny_bases.rows(2000))  # 50,000 steps
    assert train(folder) == run_folder.DONE
    state, rows = run_folder.state(folder), run_folder.metrics(folder)
    planned = [note for note in state["notes"] if note.startswith("Planned ")]
    assert planned
    assert " of 50000 steps at step " in planned[0]
    assert state["total_steps"] < 50000
    rates = [row["learning_rate"] for row in rows]
    assert max(rates) > 0.5 * QUICK.learning_rate, "it rose first"
    if state["finish"] == "completed":  # else the machine became slower within the last few steps
        assert len(rows) == state["total_steps"]
        assert rates[-1] < 0.1 * max(rates), "and has fallen to its end"
    assert rows[-1]["seconds"] < 60


def test_the_adapter_of_the_best_validation_is_kept(tmp_path, llama):
    # A rate that is far too high after the first validations: later ones are worse.
    recipe = QUICK.replace(epochs=10, learning_rate=0.1, eval_every=1, save_every=7, schedule="constant")
    folders = [
        prepare(tmp_path / name, llama, recipe.replace(**more))
        for name, more in (("best", {}), ("last", {"keep_best": False}), ("patient", {"patience": 3}), ("killed", {}))
    ]
    assert [train(folder) for folder in folders[:3]] == [run_folder.DONE] * 3
    best, last, patient = (json.loads((folder / "meta.json").read_text()) for folder in folders[:3])
    losses = {row["step"]: row["eval_loss"] for row in run_folder.metrics(folders[0])}
    lowest = min(losses, key=losses.__getitem__)
    assert lowest < 60, "the setup of this test"
    assert (best["adapter_step"], best["eval_loss"], best["steps"]) == (lowest, losses[lowest], 60)
    assert (last["adapter_step"], last["eval_loss"]) == (60, losses[60])
    assert adapter(folders[0]) != adapter(folders[1])
    assert f"Kept the adapter of step {lowest}" in run_folder.state(folders[0])["notes"][-1]
    reached = patient["adapter_step"]
    assert patient["finish"] == "stopped early"
    assert patient["steps"] == reached + 3
    assert losses[reached] == min(losses[step] for step in range(1, patient["steps"] + 1))

    # As if killed after its last checkpoint, before the adapter was written: nothing more is trained.
    before = adapter(folders[2])
    (folders[2] / "meta.json").unlink()
    assert train(folders[2]) == run_folder.DONE
    again = json.loads((folders[2] / "meta.json").read_text())
    assert (again["steps"], again["finish"], adapter(folders[2])) == (patient["steps"], "stopped early", before)

    child = start(folders[3])
    until_step(folders[3], min(lowest + 9, 50), child)
    child.kill()
    child.wait()
    assert train(folders[3]) == run_folder.DONE
    assert adapter(folders[3]) == adapter(folders[0])


def test_a_tiny_mistral_learns_with_mistrals_tokens(tmp_path, mistral):
    folder = prepare(tmp_path / "run", mistral, QUICK, "mistral-v3")
    assert train(folder) == run_folder.DONE, (folder / "log").read_text()
    rows = run_folder.metrics(folder)
    assert rows[-1]["loss"] < rows[0]["loss"]


def test_nf4_works_on_a_processor(tmp_path, llama):
    # A validation at every step: bitsandbytes must not repack the weights in it.
    recipe = QUICK.replace(method="qlora", max_steps=4, eval_every=1, gradient_checkpointing=True)
    folder = prepare(tmp_path / "run", llama, recipe)
    assert train(folder) == run_folder.DONE, (folder / "log").read_text()
    assert steps(folder) == [1, 2, 3, 4]
    assert all(
        row["grad_norm"] > 0.1 * run_folder.metrics(folder)[0]["grad_norm"] for row in run_folder.metrics(folder)
    )
    from safetensors.torch import load_file

    weights = load_file(folder / "adapter" / "adapter_model.safetensors")
    assert {str(tensor.dtype) for tensor in weights.values()} == {"torch.float32"}


@pytest.mark.parametrize(
    ("change", "rows", "code", "words"),
    [
        ({}, [], "bad_data", "no rows to train on"),
        ({"targets": "no_such_layer"}, None, "bad_recipe", "adapted layers do not fit"),
        ({"max_length": 16}, None, "bad_data", "longer than 16 tokens"),
        ({"precision": "bfloat16"}, None, "bad_recipe", "in bfloat16 on a GPU, and torch sees none"),
    ],
)
def test_what_cannot_be_trained_is_refused_with_a_sentence(tmp_path, llama, change, rows, code, words):
    folder = prepare(tmp_path / "run", llama, QUICK.replace(**change), rows=rows)
    assert train(folder) == run_folder.FAILED
    state = run_folder.state(folder)
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
    assert train(folder) == run_folder.FAILED
    assert run_folder.state(folder)["failure"]["code"] == "nan_loss"
    assert not (folder / "adapter").exists()


def test_a_base_with_code_of_its_own_is_refused(tmp_path, llama):
    import shutil

    base = Path(shutil.copytree(llama, tmp_path / "base"))
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModel": "evil.Model"}}))
    folder = prepare(tmp_path / "run", base)
    assert train(folder) == run_folder.FAILED
    assert run_folder.state(folder)["failure"]["code"] == "bad_base"


def test_a_full_disk_is_told_and_the_last_checkpoint_stands(tmp_path, llama):
    folder = prepare(tmp_path / "run", llama, QUICK.replace(epochs=100, save_every=5))
    # A limit on the size of any file stands in for the full disk; the first checkpoints are made without it.
    child = start(folder)
    until_step(folder, 12, child)
    resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (2000, 2000))
    assert child.wait(timeout=60) == run_folder.FAILED
    assert run_folder.state(folder)["failure"]["code"] == "disk_full"
    newest = max((folder / "checkpoints").glob("step-*"))
    assert not manifest.problem(newest)
