"""A training from beginning to end: `run(folder)` reads the folder's recipe and rows and leaves an adapter in it."""

import contextlib
import dataclasses
import importlib.metadata
import json
import os
import shutil
import traceback
from pathlib import Path
from typing import Any

import torch

from training import catalogue, manifest, run_folder
from training.recipe.fields import Recipe, RecipeError
from training.trainer import checkpoints, cpu, model, rows, tokens
from training.trainer.batches import collator, dataset
from training.trainer.failure import Failure, describe
from training.trainer.progress import Progress
from training.trainer.state import RunState
from training.trainer.stopping import StopListener
from training.trainer.trainer import AlreadyOver, Trainer, arguments

LIBRARIES = ("torch", "transformers", "trl", "peft", "bitsandbytes", "accelerate", "mistral-common", "safetensors")


def run(folder: Path) -> int:
    """Train in `folder`; returns run_folder.DONE, or FAILED (see state.json).

    SIGTERM and SIGINT end the process with run_folder.STOPPED; running it again goes on from there.
    """
    status = RunState(folder)
    listener = StopListener(status)
    try:
        finish = train(folder, status, listener)
    except BaseException as error:
        failure = describe(error)
        if failure.code == "crashed":
            traceback.print_exc()
        status.fail(failure)
        return run_folder.FAILED
    status.set(phase="done", finish=finish, seconds_left=0)
    return run_folder.DONE


def train(folder: Path, status: RunState, listener: StopListener) -> str:
    """Do the training itself; returns how it finished. Raises Failure and what the libraries raise."""
    refuse_several_processes()
    if run_folder.is_done(folder):
        return str(json.loads((folder / "meta.json").read_text())["finish"])
    order = read_order(folder)
    recipe = order.recipe
    status.set(phase="tokenising")
    codec = codec_of(order)
    # Of the rows that are read now: an erasure may remove some from the folder while this trains.
    data_hash = rows.hash_of(folder / "train.jsonl", folder / "validation.jsonl")
    order = dataclasses.replace(order, provenance=order.provenance | {"data_hash": data_hash})
    train_rows = rows.load(folder / "train.jsonl", codec, recipe, status.set)
    held_out = validation_rows(folder, codec, order, status)
    if not train_rows.encoded:
        raise Failure("bad_data", "There are no rows to train on.", "Freeze a version with rows in its train split.")
    tell_rows(train_rows, status)

    status.set(phase="loading")
    device = device_of(recipe, status)
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
    listener.trainer = trainer
    with contextlib.suppress(AlreadyOver):
        trainer.train(resume_from_checkpoint=str(newest) if newest else None)

    progress.hold()  # From here on a signal waits: the rest takes a moment and must be whole.
    trainer.make_up_validation()
    kept = trainer.load_best()
    finish = progress.wanted_stop or "completed"
    status.set(phase="saving")
    save_adapter(folder, student, order)
    write_meta(folder, order, progress, train_rows, device, finish, kept)
    return finish


def device_of(recipe: Recipe, status: RunState) -> str:
    """Return the device to train on, its matrix products set up as the recipe wants them. Raises Failure."""
    device = model.device_for(recipe)
    in_bfloat16 = recipe.fast_matmul or recipe.precision == "bfloat16"
    if device == "cpu" and in_bfloat16 and (broken := cpu.keep_to_what_works()):
        status.note(broken)
    model.fast_matmul(recipe)
    return device


def refuse_several_processes() -> None:
    """Raise Failure under a launcher of several processes, which would write the same files and not share gradients."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise Failure(
            "bad_recipe",
            f"The trainer was started as {os.environ['WORLD_SIZE']} processes, and it trains in one.",
            "Start it without a launcher: python -m training.trainer RUN_DIR.",
        )


def read_order(folder: Path) -> run_folder.TrainingOrder:
    try:
        return run_folder.read(folder)
    except RecipeError as error:
        raise Failure("bad_recipe", str(error)) from error


def codec_of(order: run_folder.TrainingOrder) -> tokens.Codec:
    try:
        return tokens.codec_for(order.base_dir, order.tokenizer)
    except (OSError, ValueError) as error:
        raise Failure("bad_base", f"The base's tokenizer cannot be used: {str(error).splitlines()[0]}") from error


def validation_rows(
    folder: Path, codec: tokens.Codec, order: run_folder.TrainingOrder, status: RunState
) -> rows.TokenisedRows:
    path = folder / "validation.jsonl"
    return rows.load(path, codec, order.recipe, status.set) if path.exists() else rows.TokenisedRows([], [])


def tell_rows(loaded: rows.TokenisedRows, status: RunState) -> None:
    """Note which conversations were skipped, and that some became several rows."""
    if loaded.skipped:
        status.note(f"{len(loaded.skipped)} rows are too long and were skipped: {rows.listed(loaded.skipped)}.")
    if len(loaded.encoded) > loaded.conversations:
        status.note(
            f"{loaded.conversations} conversations became {len(loaded.encoded)} rows, because the server would write earlier "
            "turns of them differently (system prompt, tools, thoughts)."
        )


def save_adapter(folder: Path, student: Any, order: run_folder.TrainingOrder) -> None:
    """Save the LoRA weights as peft writes them, whole or not at all."""
    draft, target = folder / ".draft-adapter", folder / "adapter"
    shutil.rmtree(draft, ignore_errors=True)
    # As peft's own loader finds the base; else the adapter would carry the path of this machine's models folder.
    config = student.peft_config["default"]
    config.base_model_name_or_path = hub_id(order.recipe.base)
    config.revision = revision_of(order)
    student.save_pretrained(draft, safe_serialization=True)
    (draft / "README.md").unlink(missing_ok=True)
    sort_names(draft / "adapter_config.json")
    for path in draft.iterdir():
        path.chmod(0o644)
    manifest.write(draft, base=order.recipe.base)
    shutil.rmtree(target, ignore_errors=True)
    draft.rename(target)


def hub_id(slug: str) -> str:
    """The base's name on the hub; the slug itself for a base outside the catalogue."""
    try:
        return catalogue.get(slug).hub_id
    except catalogue.CatalogueError:
        return slug


def revision_of(order: run_folder.TrainingOrder) -> str | None:
    """The commit of the base that is trained, where it is known."""
    return order.provenance.get("base_revision") or (manifest.read(order.base_dir) or {}).get("revision") or None


def sort_names(path: Path) -> None:
    """Sort the layers' names, which peft writes in a random order; the same training must leave the same files."""
    config = json.loads(path.read_text())
    config["target_modules"] = sorted(config["target_modules"])
    path.write_text(json.dumps(config, indent=2, sort_keys=True))


def write_meta(
    folder: Path,
    order: run_folder.TrainingOrder,
    progress: Progress,
    loaded: rows.TokenisedRows,
    device: str,
    finish: str,
    kept: int,
) -> None:
    """Write the adapter's provenance and how it was made, enough to make it again; `kept` is the step of its weights."""
    adapter = manifest.read(folder / "adapter") or {}
    history = run_folder.metrics(folder)
    meta = {
        **order.provenance,
        "base": order.recipe.base,
        "base_revision": revision_of(order),
        "recipe": order.recipe.to_dict(),
        "seed": order.recipe.seed,
        "system_prompt": order.recipe.system_prompt,
        "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES},
        "device": device_name(device),
        "dtype": order.recipe.precision,
        "threads": torch.get_num_threads(),
        "rows": loaded.conversations,
        "rows_tokenised": len(loaded.encoded),
        "rows_skipped": loaded.skipped,
        "steps": progress.last["step"],
        "tokens": progress.tokens,
        "seconds": round(progress.seconds, 1),
        "loss": progress.last["loss"],
        "adapter_step": kept,
        "eval_loss": next(
            (row["eval_loss"] for row in reversed(history) if row["step"] <= kept and row["eval_loss"] is not None),
            None,
        ),
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
