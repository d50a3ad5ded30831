"""trl's SFTTrainer, with what it lacks here: its loss on a processor, batches by length, safe checkpoints, a validation loss
by tokens, one row of metrics a step.

Measured in docs/training.md: on a processor trl scores every position against the whole vocabulary and adds entropy and
accuracy; scoring only the labelled positions makes a step about half as long.
"""

import time
from pathlib import Path
from typing import Any

import torch
from transformers import PrinterCallback
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from training import manifest
from training.recipe.fields import Recipe
from training.trainer import checkpoints
from training.trainer.batches import LengthSampler
from training.trainer.progress import Progress
from training.trainer.turns import IGNORED

SCORED_AT_ONCE = 1024  # labelled positions of a validation: their logits are float32 over the whole vocabulary
BEAT_SECONDS = 5.0


class AlreadyOver(Exception):
    """A resumed run has nothing left to train: its weights are those of the checkpoint."""


class Trainer(SFTTrainer):  # type: ignore[misc]
    """The trainer of one run; `progress` is its callback."""

    def __init__(self, folder: Path, recipe: Recipe, progress: Progress, lengths: list[int], **options: Any) -> None:
        self.folder, self.recipe, self.progress, self.lengths = folder, recipe, progress, lengths
        super().__init__(callbacks=[progress], **options)
        self.remove_callback(PrinterCallback)

    def _get_train_sampler(self, train_dataset: Any = None) -> LengthSampler:
        # transformers' own grouping draws from the global generator, so a resumed run would see other batches.
        return LengthSampler(self.lengths, self.recipe.batch_size, self.recipe.seed)

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """Make the recipe's schedule, which the plan of the run shrinks or stretches."""
        self.progress.lay_out(num_training_steps)
        schedule = super().create_scheduler(num_training_steps, optimizer)
        plan = self.progress.plan
        schedule.lr_lambdas = [
            lambda step, factor=factor: factor(plan.position(step)) for factor in schedule.lr_lambdas
        ]
        return schedule

    def labelled(self, model: Any, inputs: Any) -> tuple[torch.Tensor, torch.Tensor, Any]:
        """Hidden states (positions, width) and labels (positions) of what carries loss, and the layer to logits."""
        base = self.accelerator.unwrap_model(model).get_base_model()
        hidden = base.base_model(
            input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], use_cache=False
        ).last_hidden_state
        labels = inputs["labels"][:, 1:]
        kept = labels != IGNORED
        return hidden[:, :-1][kept], labels[kept], base.get_output_embeddings()

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Return the mean negative log-likelihood of the labelled tokens, in nats; on a GPU trl's fused kernel computes it."""
        if inputs["input_ids"].device.type != "cpu" or return_outputs:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        # (labelled tokens, vocabulary): a third of the rows' tokens, so a third of the widest product of all.
        hidden, labels, to_logits = self.labelled(model, inputs)
        total = torch.nn.functional.cross_entropy(to_logits(hidden).float(), labels, reduction="sum")
        return total / (len(labels) if num_items_in_batch is None else num_items_in_batch)

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Validation loss and accuracy as means over all labelled tokens, the same for any batch and on any device.

        The trainer library's is the mean of the batches' means. Nothing of it is drawn from the training's randomness.
        """
        random, loss, right, count, beat = checkpoints.randomness(), 0.0, 0, 0, time.monotonic()
        self.model.eval()
        with torch.no_grad(), self.compute_loss_context_manager():
            for inputs in self.get_eval_dataloader():
                hidden, labels, to_logits = self.labelled(self.model, inputs)
                for at in range(0, len(labels), SCORED_AT_ONCE):
                    part = labels[at : at + SCORED_AT_ONCE]
                    logits = to_logits(hidden[at : at + SCORED_AT_ONCE]).float()
                    loss += float(torch.nn.functional.cross_entropy(logits, part, reduction="sum"))
                    right += int((logits.argmax(-1) == part).sum())
                count += len(labels)
                if time.monotonic() - beat > BEAT_SECONDS:
                    beat = time.monotonic()
                    self.progress.status.set()  # a long validation is no stalled trainer
        checkpoints.restore_randomness(random)
        return {"eval_loss": loss / max(count, 1), "eval_accuracy": right / max(count, 1)}

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
        self.make_up_validation()
        if self.progress.is_over(self.state.global_step):
            raise AlreadyOver
        self.progress.tokens += int(inputs["attention_mask"].sum()) if "attention_mask" in inputs else 0
        return super().training_step(model, inputs, num_items_in_batch)

    def make_up_validation(self) -> None:
        """Validate now if a pause came in the middle of the last validation."""
        if self.progress.owes_validation:
            sums = self.evaluate()
            ending = self.progress.is_changing  # then nothing is to be given free
            self.progress.hold()
            self.progress.made_up(sums)
            self.judge(sums)
            if not ending:
                self.progress.free()

    def judge(self, sums: dict[str, float]) -> None:
        """Keep the weights as they are now if their validation is the best so far."""
        step = self.state.global_step
        if self.progress.judge(step, sums) and self.recipe.keep_best:
            checkpoints.save_best(self.folder / "checkpoints", step, self.accelerator.unwrap_model(self.model))

    def load_best(self) -> int:
        """Load the weights with the lowest validation loss if the last ones are not; returns the step that they are of."""
        step, best = self.state.global_step, self.progress.best
        if not self.recipe.keep_best or best is None or best["step"] == step:
            return step
        path = checkpoints.best_of(self.folder / "checkpoints", best["step"])
        if wrong := manifest.problem(path):
            self.progress.status.note(
                f"The best weights, of step {best['step']}, cannot be used: {wrong}. The last ones are kept."
            )
            return step
        checkpoints.load_weights(path, self.accelerator.unwrap_model(self.model))
        self.progress.status.note(
            f"Kept the adapter of step {best['step']}: its validation loss of {best['eval_loss']:.3f} is the lowest."
        )
        return int(best["step"])

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        super().log(logs, start_time)
        self.progress.seen |= logs

    def _maybe_log_save_evaluate(self, *args: Any, **kwargs: Any) -> None:
        # A step's row is on the disk before its checkpoint, so no step is ever without one.
        saving, self.control.should_save = self.control.should_save, False
        validating, self.control.should_evaluate = self.control.should_evaluate, False
        super()._maybe_log_save_evaluate(*args, **kwargs)
        self.progress.random = checkpoints.randomness()
        if validating:
            self.progress.begin_validation()
            sums = self.evaluate()
            self.progress.end_validation(sums)
            self.judge(sums)
            if self.progress.wanted_stop and not self.control.should_training_stop:
                self.control.should_training_stop = saving = True
        self.progress.record(self.state)
        if saving:
            self.save_checkpoint()
        self.progress.free()

    def save_checkpoint(self) -> None:
        """Save the last finished step; also called by a pause, in the middle of the next one."""
        states = self.lr_scheduler.state_dict() if self.lr_scheduler else {}
        schedule = {name: value for name, value in states.items() if name != "lr_lambdas"}
        path = checkpoints.save(
            self.folder / "checkpoints",
            self.state.global_step,
            self.accelerator.unwrap_model(self.model),
            self.optimizer,
            self.state.save_to_json,
            self.progress.counts() | {"schedule": schedule},
            self.progress.random,
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


def arguments(folder: Path, recipe: Recipe, device: str) -> SFTConfig:
    """Return the recipe as the trainer library's arguments (transformers 5.19, trl 1.16)."""
    return SFTConfig(
        output_dir=str(folder),
        do_train=True,
        num_train_epochs=recipe.epochs,
        max_steps=recipe.max_steps or -1,
        per_device_train_batch_size=recipe.batch_size,
        per_device_eval_batch_size=max(recipe.batch_size, 4),
        router_aux_loss_coef=0.0,  # routers are frozen: their term would only blur the loss that is shown
        gradient_accumulation_steps=recipe.accumulation,
        learning_rate=recipe.learning_rate,
        # transformers' plain constant passes over the warm-up without a word.
        lr_scheduler_type="constant_with_warmup" if recipe.schedule == "constant" else recipe.schedule,
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
    )
