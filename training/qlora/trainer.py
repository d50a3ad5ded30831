"""trl's SFTTrainer, with what it lacks here: its loss on a processor, batches by length, safe checkpoints, one row of
metrics a step.

Measured in docs/training.md: on a processor trl scores every position against the whole vocabulary and adds entropy and
accuracy; scoring only the labelled positions makes a step about half as long.
"""

import json
import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Sampler
from transformers import PrinterCallback, TrainerCallback
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from training import rundir
from training.qlora import checkpoints
from training.qlora.failure import Failure
from training.qlora.rows import Rows
from training.qlora.state import State
from training.qlora.tokens import IGNORED
from training.recipe import Recipe


class Trainer(SFTTrainer):  # type: ignore[misc]
    """The trainer of one run; `progress` is its callback."""

    def __init__(self, folder: Path, recipe: Recipe, progress: "Progress", lengths: list[int], **options: Any) -> None:
        self.folder, self.recipe, self.progress, self.lengths = folder, recipe, progress, lengths
        super().__init__(callbacks=[progress], **options)
        self.remove_callback(PrinterCallback)

    def _get_train_sampler(self, train_dataset: Any = None) -> "ByLength":
        # transformers' own grouping draws from the global generator, so a resumed run would see other batches.
        return ByLength(self.lengths, self.recipe.batch_size, self.recipe.seed)

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Mean negative log-likelihood of the labelled tokens, in nats; on a GPU trl's fused kernel does it."""
        if inputs["input_ids"].device.type != "cpu" or return_outputs:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        base = self.accelerator.unwrap_model(model).get_base_model()
        hidden = base.base_model(
            input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], use_cache=False
        ).last_hidden_state
        labels = inputs["labels"][:, 1:]
        kept = labels != IGNORED
        # (labelled tokens, vocabulary): a third of the rows' tokens, so a third of the widest product of all.
        logits = base.get_output_embeddings()(hidden[:, :-1][kept]).float()
        total = torch.nn.functional.cross_entropy(logits, labels[kept], reduction="sum")
        return total / (kept.sum() if num_items_in_batch is None else num_items_in_batch)

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
        self.progress.tokens += int(inputs["attention_mask"].sum()) if "attention_mask" in inputs else 0
        return super().training_step(model, inputs, num_items_in_batch)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        super().log(logs, start_time)
        self.progress.seen |= logs

    def _maybe_log_save_evaluate(self, *args: Any, **kwargs: Any) -> None:
        # A step's row is on the disk before its checkpoint, so no step is ever without one.
        saving, self.control.should_save = self.control.should_save, False
        super()._maybe_log_save_evaluate(*args, **kwargs)
        self.progress.record(self.state)
        if saving:
            self._save_checkpoint(args[2], None)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        if not self.args.should_save:
            return
        states = self.lr_scheduler.state_dict() if self.lr_scheduler else {}
        schedule = {name: value for name, value in states.items() if name != "lr_lambdas"}
        path = checkpoints.save(
            self.folder / "checkpoints",
            self.state.global_step,
            self.accelerator.unwrap_model(self.model),
            self.optimizer,
            self.state.save_to_json,
            self.progress.counts() | {"schedule": schedule},
            self.recipe.keep_checkpoints,
        )
        self.progress.status.set(checkpoint=checkpoints.step_of(path))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        checkpoints.load_weights(Path(resume_from_checkpoint), self.model)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint and self.lr_scheduler:
            checkpoints.load_optimizer(Path(checkpoint), self.optimizer)
            schedule = checkpoints.counts(Path(checkpoint))["schedule"]
            self.lr_scheduler.load_state_dict(self.lr_scheduler.state_dict() | schedule)

    def _load_rng_state(self, checkpoint: str | None) -> None:
        if checkpoint:
            checkpoints.load_randomness(Path(checkpoint))


class ByLength(Sampler[int]):
    """Rows in batches of like length, the batches in a random order which seed and epoch alone decide.

    Rows of one length are shuffled among each other, so batches differ from epoch to epoch.
    """

    def __init__(self, lengths: list[int], batch_size: int, seed: int) -> None:
        self.lengths, self.batch_size, self.seed, self.epoch = lengths, batch_size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed * 1000 + self.epoch)
        # Up to an eighth of noise mixes neighbours without much padding.
        noise = 1 + torch.rand(len(self.lengths), generator=generator).sub(0.5).div(4)
        order = sorted(range(len(self.lengths)), key=lambda i: self.lengths[i] * float(noise[i]))
        size = self.batch_size
        # The short batch, if any, stays last: the trainer counts its batches so.
        whole = len(order) // size * size
        batches = [order[at : at + size] for at in range(0, whole, size)]
        for at in torch.randperm(len(batches), generator=generator).tolist():
            yield from batches[at]
        yield from order[whole:]


class Progress(TrainerCallback):  # type: ignore[misc]
    """Watches the run: one row of metrics a step, the state file, the wishes to stop, and when to validate and save."""

    def __init__(self, folder: Path, recipe: Recipe, status: State, has_validation: bool) -> None:
        self.folder, self.recipe, self.status, self.has_validation = folder, recipe, status, has_validation
        self.metrics = folder / "metrics.jsonl"
        self.wanted_stop = ""  # "stopped" after SIGTERM, "stopped early" by the stop file or the clock.
        self.tokens = self.tokens_before = 0
        self.seconds = self.seconds_before = 0.0
        self.seen: dict[str, float] = {}
        self.last: dict[str, Any] = {}

    def resume(self, path: Path | None) -> None:
        """Drop the rows of steps that are done again, and take up the counts of the checkpoint."""
        step = checkpoints.step_of(path) if path else 0
        rows = [row for row in rundir.metrics(self.folder) if row["step"] <= step]
        draft = self.metrics.with_suffix(".part")
        draft.write_text("".join(json.dumps(row) + "\n" for row in rows))
        draft.replace(self.metrics)
        if path:
            counts = checkpoints.counts(path)
            self.tokens, self.seconds_before = counts["tokens"], counts["seconds"]
            self.last = rows[-1] if rows else {}
            self.status.set(resumed_from=step, checkpoint=step, step=step)

    def counts(self) -> dict[str, Any]:
        return {"tokens": self.tokens, "seconds": round(self.seconds, 2)}

    def on_train_begin(self, args: Any, state: Any, control: Any, train_dataloader: Any = None, **kwargs: Any) -> None:
        self.began = time.monotonic()
        self.first = state.global_step
        self.per_epoch = max(1, -(-len(train_dataloader) // args.gradient_accumulation_steps))
        self.status.set(phase="training", total_steps=state.max_steps, step=state.global_step)

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.step_began, self.tokens_before = time.monotonic(), self.tokens

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.step_seconds = time.monotonic() - self.step_began
        if (self.folder / "stop").exists() or self.is_late():
            self.wanted_stop = self.wanted_stop or "stopped early"
        last = state.global_step >= state.max_steps
        ending = last or bool(self.wanted_stop)
        due = state.global_step % (self.recipe.eval_every or self.per_epoch) == 0
        control.should_evaluate = self.has_validation and (last or due) and not self.wanted_stop
        control.should_save = ending or state.global_step % (self.recipe.save_every or self.per_epoch) == 0
        control.should_training_stop = ending

    def is_late(self) -> bool:
        spent = self.seconds_before + time.monotonic() - self.began
        return bool(self.recipe.max_minutes) and spent > 60 * self.recipe.max_minutes

    def record(self, state: Any) -> None:
        """Write the row of the step that just ended. Raises Failure when the loss is no number."""
        if "loss" not in self.seen:
            return
        self.seconds = self.seconds_before + time.monotonic() - self.began
        row: dict[str, Any] = {
            "step": state.global_step,
            "loss": self.seen["loss"],
            "eval_loss": self.seen.get("eval_loss"),
            "learning_rate": self.seen["learning_rate"],
            "grad_norm": self.seen.get("grad_norm"),
            "tokens_per_s": round((self.tokens - self.tokens_before) / self.step_seconds, 1),
            "tokens": self.tokens,
            "epoch": round(state.epoch, 4),
            "memory_mb": memory_mb(),
            "seconds": round(self.seconds, 2),
        }
        self.refuse_nan(row)
        with open(self.metrics, "a") as file:
            file.write(json.dumps(row) + "\n")
        self.seen, self.last = {}, row
        state.log_history.clear()  # The rows are on the disk; every checkpoint would carry them all again.
        self.show(row, state)

    def refuse_nan(self, row: dict[str, Any]) -> None:
        if not all(abs(row[name] or 0) < float("inf") for name in ("loss", "grad_norm", "eval_loss")):
            raise Failure(
                "nan_loss",
                f"The loss is no longer a number at step {row['step']}.",
                "Lower the learning rate or raise the warm-up, and train again.",
            )

    def show(self, row: dict[str, Any], state: Any) -> None:
        done, left = row["step"] - self.first, state.max_steps - row["step"]
        rate = (time.monotonic() - self.began) / max(done, 1)
        self.status.set(step=row["step"], epoch=row["epoch"], seconds_left=round(rate * left, 1))
        validation = f", validation {row['eval_loss']:.3f}" if row["eval_loss"] is not None else ""
        speed = f"{row['tokens_per_s']:.0f} tokens/s"
        print(f"step {row['step']}/{state.max_steps}: loss {row['loss']:.3f}{validation}, {speed}", flush=True)


def memory_mb() -> int:
    """Peak memory: of the GPU if it is used, else of this process."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return int(torch.cuda.max_memory_allocated() / 2**20)
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def arguments(folder: Path, recipe: Recipe, device: str) -> SFTConfig:
    """The recipe in the trainer library's words (transformers 5.19, trl 1.16)."""
    return SFTConfig(
        output_dir=str(folder),
        do_train=True,
        num_train_epochs=recipe.epochs,
        max_steps=recipe.max_steps or -1,
        per_device_train_batch_size=recipe.batch_size,
        per_device_eval_batch_size=max(recipe.batch_size, 4),
        gradient_accumulation_steps=recipe.accumulation,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type=recipe.schedule,
        warmup_steps=recipe.warmup,  # Below 1 it is a share: transformers 5 has no warmup_ratio.
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.max_grad_norm,
        optim="adamw_torch_fused" if device == "cuda" else "adamw_torch",
        gradient_checkpointing=recipe.gradient_checkpointing,
        bf16=recipe.precision == "bfloat16" and device == "cuda",  # On by default in trl.
        use_cpu=device == "cpu",
        seed=recipe.seed,
        data_seed=recipe.seed,
        max_length=None,  # Rows were measured already; cutting one would teach a wrong end.
        packing=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        eval_strategy="no",  # Progress says when.
        save_strategy="no",
        logging_strategy="steps",
        logging_steps=1,
        logging_nan_inf_filter=False,  # Would write the mean of earlier losses in place of a NaN.
        report_to="none",
        disable_tqdm=True,
        dataloader_num_workers=0,
        dataloader_pin_memory=device == "cuda",
        remove_unused_columns=True,
        average_tokens_across_devices=True,
        label_names=["labels"],
        log_level="error",
        push_to_hub=False,
        load_best_model_at_end=False,
        ddp_find_unused_parameters=False if int(os.environ.get("WORLD_SIZE", "1")) > 1 else None,
    )


def dataset(rows: Rows) -> Any:
    from datasets import Dataset

    return Dataset.from_dict(
        {"input_ids": [row.input_ids for row in rows.encoded], "labels": [row.labels for row in rows.encoded]}
    )


def collator(batch: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """Rows padded on the right to the longest: input_ids, labels and attention_mask, each (rows, tokens)."""
    width = max(len(row["input_ids"]) for row in batch)

    def padded(name: str, fill: int) -> torch.Tensor:
        return torch.tensor([list(row[name]) + [fill] * (width - len(row[name])) for row in batch])

    mask = torch.tensor([[1] * len(row["input_ids"]) + [0] * (width - len(row["input_ids"])) for row in batch])
    return {"input_ids": padded("input_ids", 0), "labels": padded("labels", IGNORED), "attention_mask": mask}
