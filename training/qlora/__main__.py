"""`python -m training.qlora RUN_DIR`: train what the folder's recipe.json orders. See training/rundir.py."""

import logging
import os
import sys
import warnings
from pathlib import Path


def main() -> int:
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        print("Usage: python -m training.qlora RUN_DIR, a folder with recipe.json and train.jsonl", file=sys.stderr)
        return 2
    # Before torch and the libraries are imported: they read these once.
    os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    # Threads that wait spin by default, and halve the speed as soon as another process wants a core.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # bitsandbytes says at every start that it has no kernels from the hub, peft that a slug is no folder.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="peft")
    if "WORLD_SIZE" not in os.environ:
        # One process drives one GPU; for several, start it under `accelerate launch`.
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")
    from transformers.utils.logging import disable_progress_bar

    from training.qlora.run import run

    disable_progress_bar()
    return run(Path(sys.argv[1]).resolve())


if __name__ == "__main__":
    sys.exit(main())
