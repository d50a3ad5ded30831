"""Batches of tokenised rows: rows of like length together, the longest batch first of all, padded on the right."""

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import Sampler

from training.trainer.rows import TokenisedRows
from training.trainer.turns import IGNORED


class LengthSampler(Sampler[int]):
    """Rows in batches of like length, the batches in a random order which seed and epoch alone decide.

    Rows of one length are shuffled among each other, so batches differ from epoch to epoch. The batch with the longest row
    is the very first of a run: when memory does not suffice for it, that shows in a minute and not after an hour.
    """

    def __init__(self, lengths: list[int], batch_size: int, seed: int) -> None:
        self.lengths, self.batch_size, self.seed, self.epoch = lengths, batch_size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed * 1000 + self.epoch)
        # Up to an eighth of noise mixes neighbours without much padding.
        noise = 1 + torch.rand(len(self.lengths), generator=generator).sub(0.5).div(4)
        order = sorted(range(len(self.lengths)), key=lambda i: self.lengths[i] * float(noise[i]))
        size = self.batch_size
        # The short batch, if any, stays last: the trainer counts its batches so.
        whole = len(order) // size * size
        batches = [order[at : at + size] for at in range(0, whole, size)]
        drawn = torch.randperm(len(batches), generator=generator).tolist()
        if self.epoch == 0 and drawn:
            drawn.insert(
                0, drawn.pop(drawn.index(max(drawn, key=lambda at: max(map(self.lengths.__getitem__, batches[at])))))
            )
        for at in drawn:
            yield from batches[at]
        yield from order[whole:]


def dataset(rows: TokenisedRows) -> Any:
    """The rows as a `datasets.Dataset` with input_ids and labels."""
    from datasets import Dataset

    return Dataset.from_dict(
        {"input_ids": [row.input_ids for row in rows.encoded], "labels": [row.labels for row in rows.encoded]}
    )


def collator(batch: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """Return rows padded on the right to the longest: input_ids, labels and attention_mask, each (rows, tokens)."""
    width = max(len(row["input_ids"]) for row in batch)

    def padded(name: str, fill: int) -> torch.Tensor:
        return torch.tensor([list(row[name]) + [fill] * (width - len(row[name])) for row in batch])

    mask = torch.tensor([[1] * len(row["input_ids"]) + [0] * (width - len(row["input_ids"])) for row in batch])
    return {"input_ids": padded("input_ids", 0), "labels": padded("labels", IGNORED), "attention_mask": mask}
