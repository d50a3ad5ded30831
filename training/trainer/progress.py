"""The progress of a run: its rows of metrics, when to validate, save and stop, and what a pause at any moment may save."""

import json
import resource
import threading
import time
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from training import run_folder
from training.recipe.fields import Recipe
from training.trainer import checkpoints
from training.trainer.failure import Failure
from training.trainer.plan import MEASURED_STEPS, Plan
from training.trainer.state import RunState


class Progress(TrainerCallback):  # type: ignore[misc]
    """Watches the run: one row of metrics a step, the state file, the wishes to stop, and when to validate and save.

    `changing` is held while weights, counts and files go from one finished step to the next. Whoever holds it otherwise
    finds the last finished step whole: forward, backward and validation change nothing of it.
    """

    def __init__(self, folder: Path, recipe: Recipe, status: RunState, has_validation: bool) -> None:
        self.folder, self.recipe, self.status, self.has_validation = folder, recipe, status, has_validation
        self.metrics = folder / "metrics.jsonl"
        self.wanted_stop = ""  # "stopped early", by the stop file or the clock
        self.tokens = self.tokens_before = 0
        self.seconds = self.seconds_before = 0.0
        self.seen: dict[str, float] = {}
        self.last: dict[str, Any] = {}
        self.changing = threading.Lock()
        self.is_changing = False  # of the training's own thread
        self.random: checkpoints.Tensors = {}
        self.owes_validation = False
        self.validation_seconds = 0.0
        self.plan = Plan(0, recipe.max_minutes)
        self.kept_anchors: list[list[Any]] = []
        self.best: dict[str, Any] | None = None  # the step of the lowest validation loss, and that loss
        self.without_gain = 0  # validations since then

    def hold(self) -> None:
        """Keep the finished step to the training's own thread; nothing where it has it already."""
        if not self.is_changing:
            self.changing.acquire()
            self.is_changing = True

    def free(self) -> None:
        """Give the finished step free, for a pause to save it."""
        if self.is_changing:
            self.is_changing = False
            self.changing.release()

    def resume(self, path: Path | None) -> None:
        """Drop the rows of steps that are repeated, and restore the counts of the checkpoint."""
        step = checkpoints.step_of(path) if path else 0
        rows = [row for row in run_folder.metrics(self.folder) if row["step"] <= step]
        self.write(rows)
        if path:
            counts = checkpoints.counts(path)
            self.tokens, self.seconds_before = counts["tokens"], counts["seconds"]
            self.last = rows[-1] if rows else {}
            self.owes_validation = bool(counts.get("owes_validation"))
            self.kept_anchors = counts.get("plan", [])
            self.best, self.without_gain = counts.get("best"), counts.get("without_gain", 0)
            self.status.set(resumed_from=step, checkpoint=step, step=step)

    def write(self, rows: list[dict[str, Any]]) -> None:
        """Replace the file of metrics as a whole."""
        draft = self.metrics.with_suffix(".part")
        draft.write_text("".join(json.dumps(row) + "\n" for row in rows))
        draft.replace(self.metrics)

    def counts(self) -> dict[str, Any]:
        """What a checkpoint keeps of the run so far."""
        return {
            "tokens": self.last.get("tokens", self.tokens),
            "seconds": round(self.seconds, 2),
            "owes_validation": self.owes_validation,
            "plan": self.plan.anchors,
            "best": self.best,
            "without_gain": self.without_gain,
        }

    def lay_out(self, steps: int) -> None:
        """Plan the run's steps, as far as a checkpoint has not done so."""
        self.plan = Plan(steps, self.recipe.max_minutes)
        # Rows that were erased since change the number of steps, and what was planned for another is none.
        if self.kept_anchors and self.kept_anchors[0][2] == steps:
            self.plan.restore(self.kept_anchors)

    def is_over(self, step: int) -> bool:
        """Whether nothing is left to train, as when the attempt before was ended after its last checkpoint."""
        if self.recipe.patience and self.without_gain >= self.recipe.patience:
            self.wanted_stop = self.wanted_stop or "stopped early"
        return bool(self.wanted_stop) or step >= self.plan.total

    def on_train_begin(self, args: Any, state: Any, control: Any, train_dataloader: Any = None, **kwargs: Any) -> None:
        self.began = time.monotonic()
        self.first = state.global_step
        self.seconds = self.seconds_before
        self.random = checkpoints.randomness()
        self.per_epoch = max(1, -(-len(train_dataloader) // args.gradient_accumulation_steps))
        self.status.set(phase="training", total_steps=self.plan.total, step=state.global_step)

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.step_began, self.tokens_before = time.monotonic(), self.tokens

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.hold()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        now = time.monotonic()
        self.step_seconds = now - self.step_began
        if state.global_step == self.first + 1:
            self.first_ended = now  # what is set up at the first step belongs to no pace
        self.revise_plan(state.global_step)
        if (self.folder / "stop").exists() or self.is_late():
            self.wanted_stop = self.wanted_stop or "stopped early"
        last = state.global_step >= self.plan.total
        ending = last or bool(self.wanted_stop)
        due = state.global_step % (self.recipe.eval_every or self.per_epoch) == 0
        # What is stopped is validated only if it may lose against a step before.
        wanted = bool(self.best and self.recipe.keep_best) if self.wanted_stop else last or due
        control.should_evaluate = self.has_validation and wanted
        control.should_save = ending or state.global_step % (self.recipe.save_every or self.per_epoch) == 0
        control.should_training_stop = ending

    def spent(self) -> float:
        """Return the seconds of training so far, of all attempts."""
        return self.seconds_before + time.monotonic() - self.began

    def is_late(self) -> bool:
        """Whether the time limit of the recipe has passed, as it may when the last steps took longer than planned."""
        return bool(self.recipe.max_minutes) and self.spent() > 60 * self.recipe.max_minutes

    def revise_plan(self, step: int) -> None:
        """Let the run end at its time limit, from the pace of this attempt's steps so far."""
        measured = step - self.first - 1
        if measured < MEASURED_STEPS - 1:
            return
        pace = (time.monotonic() - self.first_ended) / measured
        reserve = self.validation_seconds if self.has_validation else 0.0
        if self.plan.revise(step, self.spent(), pace, reserve):
            self.status.note(
                f"Planned {self.plan.total} of {self.plan.steps} steps at step {step}, to end within "
                f"{self.recipe.max_minutes:g} minute{'' if self.recipe.max_minutes == 1 else 's'}; the learning rate "
                "follows the new plan."
            )
            self.status.set(total_steps=self.plan.total)

    def record(self, state: Any) -> None:
        """Write the row of the step that just ended. Raises Failure when the loss is no number."""
        if "loss" not in self.seen:
            return
        self.seconds = self.seconds_before + time.monotonic() - self.began
        row: dict[str, Any] = {
            "step": state.global_step,
            "loss": self.seen["loss"],
            "eval_loss": self.seen.get("eval_loss"),
            "eval_accuracy": self.seen.get("eval_accuracy"),
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
        self.show(row)

    def begin_validation(self) -> None:
        """Let a pause come in: a validation may take minutes, and changes nothing."""
        self.validation_began = time.monotonic()
        self.status.set(phase="validating")
        self.owes_validation = True
        self.free()

    def end_validation(self, sums: dict[str, float]) -> None:
        """Take up what a validation found."""
        self.hold()
        self.validation_seconds = time.monotonic() - self.validation_began
        self.owes_validation = False
        self.seen |= sums
        self.status.set(phase="training")

    def judge(self, step: int, sums: dict[str, float]) -> bool:
        """Return whether a validation is the best so far; when too many in a row are not, the run is to end."""
        if self.best is None or sums["eval_loss"] < self.best["eval_loss"]:
            self.best, self.without_gain = {"step": step, "eval_loss": sums["eval_loss"]}, 0
            return True
        self.without_gain += 1
        is_last = step >= self.plan.total  # then it ends because all is done
        if self.recipe.patience and self.without_gain >= self.recipe.patience and not (self.wanted_stop or is_last):
            self.wanted_stop = "stopped early"
            self.status.note(
                f"Stopped after step {step}: {self.without_gain} validations in a row were not better than "
                f"{self.best['eval_loss']:.3f} at step {self.best['step']}."
            )
        return False

    def made_up(self, sums: dict[str, float]) -> None:
        """Put a validation that a pause cut short into the row of its step, which is made up for."""
        self.owes_validation = False
        rows = run_folder.metrics(self.folder)
        if rows and self.last and rows[-1]["step"] == self.last["step"]:
            self.last = rows[-1] = rows[-1] | sums
            self.refuse_nan(self.last)
            self.write(rows)

    def refuse_nan(self, row: dict[str, Any]) -> None:
        """Raise Failure when a figure of the row is no finite number."""
        if not all(abs(row[name] or 0) < float("inf") for name in ("loss", "grad_norm", "eval_loss")):
            raise Failure(
                "nan_loss",
                f"The loss is no longer a number at step {row['step']}.",
                "Lower the learning rate or raise the warm-up steps, and train again.",
            )

    def show(self, row: dict[str, Any]) -> None:
        """Put a step into the state file and the log."""
        done, remaining = row["step"] - self.first, self.plan.total - row["step"]
        rate = (time.monotonic() - self.began) / max(done, 1)
        self.status.set(step=row["step"], epoch=row["epoch"], seconds_left=round(rate * remaining, 1))
        validation = f", validation {row['eval_loss']:.3f}" if row["eval_loss"] is not None else ""
        speed = f"{row['tokens_per_s']:.0f} tokens/s"
        print(f"step {row['step']}/{self.plan.total}: loss {row['loss']:.3f}{validation}, {speed}", flush=True)


def memory_mb() -> int:
    """Return the peak memory: of the GPU if it is used, else of this process."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return int(torch.cuda.max_memory_allocated() / 2**20)
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
