"""Makes curation/charts/word_vectors.npz of the student's own word vectors: whole words of three letters and more, their signs.

python -m tests.bench.word_table [-o curation/charts/word_vectors.npz]
"""

import argparse
import re
from pathlib import Path
from typing import Any

import numpy as np

from curation.charts.word_vectors import FILE
from training.bases.store import packaged_gguf

SEED = 0
WORD = re.compile("\u0120([A-Za-z]{3,})")  # the tokenizer writes the blank before a word as this letter


def read(path: Path) -> tuple[list[str], Any]:
    """Return the tokens and their vectors."""
    import gguf.quants

    reader = gguf.GGUFReader(path)
    names = reader.fields["tokenizer.ggml.tokens"]
    tokens = [bytes(names.parts[place]).decode() for place in names.data]
    tensor = next(one for one in reader.tensors if one.name == "token_embd.weight")
    return tokens, gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)


def rows_of(tokens: list[str]) -> dict[str, int]:
    """Return the token of each word in small letters, preferring the one that is written small."""
    found: dict[str, int] = {}
    for place, token in enumerate(tokens):
        if (match := WORD.fullmatch(token)) and (match[1].lower() not in found or match[1].islower()):
            found[match[1].lower()] = place
    return dict(sorted(found.items()))


def signs(vectors: Any, rows: list[int]) -> Any:
    """Return the signs of rotated vectors. Directions that matter less count less; the rotation gives every sign its share."""
    chosen = vectors[rows] - vectors.mean(axis=0)
    chosen /= np.linalg.norm(chosen, axis=1, keepdims=True)
    left, strength, _ = np.linalg.svd(chosen - chosen.mean(axis=0), full_matrices=False)
    turn = np.linalg.qr(np.random.default_rng(SEED).standard_normal((len(strength), len(strength))))[0]
    return np.packbits((left * np.sqrt(strength)) @ turn > 0, axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", default=FILE, type=Path)
    options = parser.parse_args()
    tokens, vectors = read(packaged_gguf())
    rows = rows_of(tokens)
    written = np.frombuffer("\n".join(rows).encode(), dtype=np.uint8)
    np.savez_compressed(options.o, words=written, signs=signs(vectors, list(rows.values())))
    print(f"{len(rows):,} words, {options.o.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
