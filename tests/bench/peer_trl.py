"""`python -m tests.bench.peer_trl FOLDER`: trl's SFTTrainer as it comes, on the rows and base that FOLDER/peer.json names.

Two steps at most: it is slow on a processor, and one step is enough when it takes a minute.
"""

import importlib.metadata
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

STEPS = 2
LONG_SECONDS = 60


def main() -> None:
    os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import TrainerCallback
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    from training.trainer import cpu

    cpu.keep_to_what_works()
    folder = Path(sys.argv[1])
    order = json.loads((folder / "peer.json").read_text())
    counted = {"tokens": 0, "seconds": 0.0, "steps": 0}

    class CountingTrainer(SFTTrainer):  # type: ignore[misc]
        def training_step(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            counted["tokens"] += int(inputs["attention_mask"].sum())
            return super().training_step(model, inputs, *args, **kwargs)

    class Watch(TrainerCallback):  # type: ignore[misc]
        def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
            self.began = time.monotonic()

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            taken = time.monotonic() - self.began
            counted["seconds"] += taken
            counted["steps"] += 1
            control.should_training_stop |= taken > LONG_SECONDS

    trainer = CountingTrainer(
        model=order["base"],
        args=SFTConfig(
            output_dir=str(folder / "trl"),
            max_steps=STEPS,
            save_strategy="no",
            report_to="none",
            use_cpu=not torch.cuda.is_available(),  # it refuses to start without, where there is no GPU
        ),
        train_dataset=Dataset.from_list([{"messages": row["messages"]} for row in order["rows"]]),
        peft_config=LoraConfig(r=order["rank"], lora_alpha=order["alpha"], target_modules="all-linear"),
        callbacks=[Watch()],
    )
    trainer.train()
    found = {
        "tokens_per_s": counted["tokens"] / counted["seconds"],
        "steps": counted["steps"],
        "trl": importlib.metadata.version("trl"),
    }
    (folder / "rate.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
