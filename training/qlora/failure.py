"""How a training can end badly: a code for programs, a sentence for people."""

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


class Stopped(Exception):
    """The run was asked to end (SIGTERM) before it could write a checkpoint."""


def describe(error: BaseException) -> Failure:
    """The failure that an exception of any library stands for."""
    if isinstance(error, Failure):
        return error
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, MemoryError) or "OutOfMemoryError" in text or "can't allocate memory" in text:
        return Failure(
            "out_of_memory",
            "The memory was not enough for this recipe.",
            "Halve the batch and double the accumulation, turn on the recomputing of activations, shorten the longest "
            "row, or train with QLoRA.",
        )
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    if full or "No space left on device" in text or "File too large" in text:
        return Failure(
            "disk_full",
            "The disk is full, so nothing more could be saved. The last whole checkpoint is untouched.",
            "Make room and start the run again: it goes on from there.",
        )
    return Failure("crashed", f"The trainer broke off with {text.splitlines()[0][:400]}")
