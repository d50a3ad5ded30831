"""The trainer's command, `python -m training.trainer RUN_DIR`: trains what the folder's recipe.json orders.

See training/run_folder.py.
"""

import logging
import os
import sys
import warnings
from pathlib import Path


def main() -> int:
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        print("Usage: python -m training.trainer RUN_DIR, a folder with recipe.json and train.jsonl", file=sys.stderr)
        return 2
    # Before torch and the libraries are imported: they read these once.
    os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    # Threads that wait spin by default, and halve the speed as soon as another process wants a core.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # bitsandbytes says at every start that it has no kernels from the hub, peft that a slug is no folder.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="peft")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")  # one process drives one GPU
    from transformers.utils.logging import disable_progress_bar

    from training.trainer.run import run

    disable_progress_bar()
    return run(Path(sys.argv[1]).resolve())


if __name__ == "__main__":
    sys.exit(main())
