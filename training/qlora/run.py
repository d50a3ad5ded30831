"""One training from beginning to end: `run(folder)` reads the folder's recipe and rows and leaves an adapter in it."""

import importlib.metadata
import json
import shutil
import signal
import traceback
from pathlib import Path
from typing import Any

import torch

from training import manifest, rundir
from training.qlora import checkpoints, model, processor, rows, tokens
from training.qlora.failure import Failure, Stopped, describe
from training.qlora.state import State
from training.qlora.trainer import Progress, Trainer, arguments, collator, dataset
from training.recipe import RecipeError

LIBRARIES = ("torch", "transformers", "trl", "peft", "bitsandbytes", "accelerate", "mistral-common", "safetensors")


def run(folder: Path) -> int:
    """Train in `folder`; returns rundir.DONE, STOPPED (go on by running it again) or FAILED (see state.json)."""
    status = State(folder)
    wish = StopWish()
    try:
        finish = train(folder, status, wish)
    except Stopped:
        status.set(phase="stopped", finish="stopped", seconds_left=None)
        return rundir.STOPPED
    except BaseException as error:
        failure = describe(error)
        if failure.code == "crashed":
            traceback.print_exc()
        status.fail(failure)
        return rundir.FAILED
    if finish == "stopped":
        status.set(phase="stopped", finish=finish, seconds_left=None)
        return rundir.STOPPED
    status.set(phase="done", finish=finish, seconds_left=0)
    return rundir.DONE


class StopWish:
    """SIGTERM and SIGINT: heard at the next step while training, at once before it."""

    def __init__(self) -> None:
        self.progress: Progress | None = None
        signal.signal(signal.SIGTERM, self.hear)
        signal.signal(signal.SIGINT, self.hear)

    def hear(self, number: int, frame: Any) -> None:
        if self.progress is None:
            raise Stopped
        self.progress.wanted_stop = "stopped"


def train(folder: Path, status: State, wish: StopWish) -> str:
    """The training itself; returns how it finished. Raises Failure, Stopped and what the libraries raise."""
    if rundir.is_done(folder):
        return str(json.loads((folder / "meta.json").read_text())["finish"])
    order = read_order(folder)
    recipe = order.recipe
    status.set(phase="tokenising")
    codec = codec_of(order)
    train_rows = rows.load(folder / "train.jsonl", codec, recipe, status.set)
    held_out = validation_rows(folder, codec, order, status)
    if not train_rows.encoded:
        raise Failure("bad_data", "There are no rows to train on.", "Freeze a version with rows in its train split.")
    tell_skipped(train_rows, status)

    status.set(phase="loading")
    device = model.device_for(recipe)
    if (
        device == "cpu"
        and (recipe.fast_matmul or recipe.precision == "bfloat16")
        and (broken := processor.keep_to_what_works())
    ):
        status.note(broken)
    model.fast_matmul(recipe)
    student = model.load(recipe, order.base_dir, device)
    progress = Progress(folder, recipe, status, has_validation=bool(held_out.encoded))
    trainer = Trainer(
        folder,
        recipe,
        progress,
        train_rows.lengths,
        model=student,
        args=arguments(folder, recipe, device),
        train_dataset=dataset(train_rows),
        eval_dataset=dataset(held_out) if held_out.encoded else None,
        processing_class=tokens.quiet_tokenizer(),
        data_collator=collator,
    )
    if recipe.method == "qlora":
        model.restore_float32(student)
    status.set(device=device_name(device))
    newest = checkpoints.newest(folder / "checkpoints", status.note)
    progress.resume(newest)
    wish.progress = progress
    trainer.train(resume_from_checkpoint=str(newest) if newest else None)

    if progress.wanted_stop == "stopped":
        return "stopped"
    finish = progress.wanted_stop or "completed"
    status.set(phase="saving")
    if trainer.args.should_save:
        save_adapter(folder, student, order)
        write_meta(folder, order, progress, train_rows, device, finish)
    return finish


def read_order(folder: Path) -> rundir.Order:
    try:
        return rundir.read(folder)
    except RecipeError as error:
        raise Failure("bad_recipe", str(error)) from error


def codec_of(order: rundir.Order) -> tokens.Codec:
    try:
        return tokens.codec_for(order.base_dir, order.tokenizer)
    except (OSError, ValueError) as error:
        raise Failure("bad_base", f"The base's tokenizer cannot be used: {str(error).splitlines()[0]}") from error


def validation_rows(folder: Path, codec: tokens.Codec, order: rundir.Order, status: State) -> rows.Rows:
    path = folder / "validation.jsonl"
    return rows.load(path, codec, order.recipe, status.set) if path.exists() else rows.Rows([], [])


def tell_skipped(loaded: rows.Rows, status: State) -> None:
    if loaded.skipped:
        status.note(f"{len(loaded.skipped)} rows are too long and were left out: {rows.listed(loaded.skipped)}.")


def save_adapter(folder: Path, student: Any, order: rundir.Order) -> None:
    """The LoRA weights as peft writes them, whole or not at all."""
    draft, target = folder / ".draft-adapter", folder / "adapter"
    shutil.rmtree(draft, ignore_errors=True)
    # Else the adapter would carry the path of this machine's models folder.
    student.peft_config["default"].base_model_name_or_path = order.recipe.base
    student.save_pretrained(draft, safe_serialization=True)
    (draft / "README.md").unlink(missing_ok=True)
    sort_names(draft / "adapter_config.json")
    for path in draft.iterdir():
        path.chmod(0o644)
    manifest.write(draft, base=order.recipe.base)
    shutil.rmtree(target, ignore_errors=True)
    draft.rename(target)


def sort_names(path: Path) -> None:
    """peft writes the layers' names in an order of chance; the same training must leave the same files."""
    config = json.loads(path.read_text())
    config["target_modules"] = sorted(config["target_modules"])
    path.write_text(json.dumps(config, indent=2, sort_keys=True))


def write_meta(
    folder: Path, order: rundir.Order, progress: Progress, loaded: rows.Rows, device: str, finish: str
) -> None:
    """Where the adapter comes from and how it was made, enough to make it again."""
    adapter = manifest.read(folder / "adapter") or {}
    history = rundir.metrics(folder)
    meta = {
        **order.provenance,
        "base": order.recipe.base,
        "base_revision": order.provenance.get("base_revision") or (manifest.read(order.base_dir) or {}).get("revision"),
        "data_hash": rows.hash_of(folder / "train.jsonl", folder / "validation.jsonl"),
        "recipe": order.recipe.to_dict(),
        "seed": order.recipe.seed,
        "system_prompt": order.recipe.system_prompt,
        "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES},
        "device": device_name(device),
        "dtype": order.recipe.precision,
        "threads": torch.get_num_threads(),
        "rows": len(loaded.encoded),
        "rows_skipped": loaded.skipped,
        "steps": progress.last["step"],
        "tokens": progress.tokens,
        "seconds": round(progress.seconds, 1),
        "loss": progress.last["loss"],
        "eval_loss": next((row["eval_loss"] for row in reversed(history) if row["eval_loss"] is not None), None),
        "resumed_from": progress.status.values["resumed_from"],
        "finish": finish,
        "adapter_sha256": {name: about["sha256"] for name, about in adapter.get("files", {}).items()},
    }
    draft = folder / "meta.part"
    draft.write_text(json.dumps(meta, indent=1, ensure_ascii=False))
    draft.rename(folder / "meta.json")


def device_name(device: str) -> str:
    if device == "cuda":
        return str(torch.cuda.get_device_name())
    return f"cpu, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}"
