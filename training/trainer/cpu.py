"""Detection of processor features that are announced but do not work.

Some virtual machines announce AMX units, grant a program their use, and then end it with an illegal instruction at the
first product in bfloat16. oneDNN believes the announcement, so a child tries it first; if it dies, oneDNN is limited to
AVX-512.
"""

import os
import subprocess
import sys
from pathlib import Path

LIMIT = "ONEDNN_MAX_CPU_ISA"
WITHOUT_AMX = "AVX512_CORE_FP16"  # the most that oneDNN knows below AMX
# Both ways into the units: float32 products that oneDNN rounds, and tensors that are bfloat16 themselves.
TRIAL = """
import torch
torch.backends.mkldnn.matmul.fp32_precision = "bf16"
for ones in (torch.ones(64, 64), torch.ones(64, 64, dtype=torch.bfloat16)):
    torch.nn.functional.linear(ones, ones)
"""


def keep_to_what_works(trial: str = TRIAL, flags: "frozenset[str] | None" = None) -> str:
    """Limit oneDNN to units that work here, before the first product in bfloat16. Returns a sentence when some do not.

    Costs an import of torch in a child, and only if the processor announces AMX and nobody has set a limit.
    """
    announced = processor_flags() if flags is None else flags
    if "amx_tile" not in announced or LIMIT in os.environ:
        return ""
    done = subprocess.run([sys.executable, "-c", trial], capture_output=True, timeout=120, check=False)
    if done.returncode >= 0:  # also an error of Python's, which the training itself will meet and tell better
        return ""
    os.environ[LIMIT] = WITHOUT_AMX
    return "The processor announces AMX units that do not work on this machine. Training continues without them."


def processor_flags() -> "frozenset[str]":
    """Return the features that Linux lists for the first processor; none elsewhere."""
    try:
        about = Path("/proc/cpuinfo").read_text()
    except OSError:
        return frozenset()
    return next((frozenset(line.split()) for line in about.splitlines() if line.startswith("flags")), frozenset())
