"""Failures of a training: a code for programs, a sentence for people."""

import errno

CODES = (
    "bad_recipe",
    "bad_data",
    "bad_base",
    "out_of_memory",
    "disk_full",
    "nan_loss",
    "stalled",  # Written by a supervisor, which alone can see it.
    "crashed",
)


class Failure(Exception):
    """Ends the run as failed. `code` is one of CODES; the message is a sentence, `advice` what to do about it."""

    def __init__(self, code: str, sentence: str, advice: str = "") -> None:
        self.code, self.sentence, self.advice = code, sentence, advice
        super().__init__(sentence)


def describe(error: BaseException) -> Failure:
    """Return the failure that an exception of any library means."""
    if isinstance(error, Failure):
        return error
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, MemoryError) or "OutOfMemoryError" in text or "can't allocate memory" in text:
        return Failure(
            "out_of_memory",
            "There was not enough memory for this recipe.",
            "Halve the batch size and double the gradient accumulation, turn on gradient checkpointing, reduce the max sequence length, or train with QLoRA.",
        )
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    if full or "No space left on device" in text or "File too large" in text:
        return Failure(
            "disk_full",
            "The disk is full, so nothing more could be saved. The last complete checkpoint is intact.",
            "Free some space, then retry. The run continues from its last checkpoint.",
        )
    return Failure("crashed", f"The trainer failed with {text.splitlines()[0][:400]}")
