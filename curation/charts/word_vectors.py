"""Word vectors for English: 24,379 vectors of 576 signs. The table is stored beside this module, 1.8 MB.

It was made from the word vectors of SmolLM2-135M-Instruct (Hugging Face, Apache License 2.0), the student of the
sample: `python -m tests.bench.word_table` makes it again. Only the sign of each number is kept, after a rotation that
gives every number its share; so a word takes 72 bytes instead of 2,304.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

FILE = Path(__file__).with_name("word_vectors.npz")
Signs = np.ndarray[Any, np.dtype[np.int8]]


@lru_cache(maxsize=1)
def places() -> dict[bytes, int]:
    """Return the row of the table for each word in small letters."""
    with np.load(FILE, allow_pickle=False) as file:
        return {word: place for place, word in enumerate(file["words"].tobytes().split(b"\n"))}


@lru_cache(maxsize=1)
def table() -> Signs:
    """Return the table as (words, 576), each number 1 or -1."""
    with np.load(FILE, allow_pickle=False) as file:
        return (np.unpackbits(file["signs"], axis=1).astype(np.int8) * 2 - 1).astype(np.int8)
