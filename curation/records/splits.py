"""Train, validation and test splits by a hash of the source group, so that no record changes split when others are added."""

import hashlib
from typing import Any

from django.core.exceptions import ValidationError

SPLITS = ("train", "validation", "test")


def assign(seed: int, group: str, shares: dict[str, float]) -> str:
    """Return the split of a source group: its hash, as a number from 0 to 1, against the cumulative shares."""
    place = point(seed, group) / 2**64
    edge = 0.0
    for split in SPLITS:
        edge += shares.get(split, 0.0)
        if place < edge:
            return split
    # Shares add up to 1 but for rounding: what falls off the end belongs to the last split that has a share.
    return next(split for split in reversed(SPLITS) if shares.get(split, 0.0) > 0)


def point(seed: int, group: str) -> int:
    """Return the place of a source group as 64 bits, from the hash of its name and the seed."""
    return int.from_bytes(hashlib.blake2b(f"{seed}:{group}".encode(), digest_size=8).digest(), "big")


def clean_shares(shares: dict[str, Any]) -> dict[str, float]:
    """Return shares as numbers that add up to 1. Raises ValidationError with a sentence."""
    unknown = set(shares) - set(SPLITS)
    if unknown:
        raise ValidationError(f"No split is called {sorted(unknown)[0]!r}. The splits are train, validation and test.")
    try:
        clean = {split: float(shares.get(split) or 0) for split in SPLITS}
    except (TypeError, ValueError):
        raise ValidationError("Shares must be numbers from 0 to 1, such as 0.8, 0.1 and 0.1.") from None
    if any(not 0 <= share <= 1 for share in clean.values()):
        raise ValidationError("A share must be a number from 0 to 1, such as 0.8.")
    if abs(sum(clean.values()) - 1) > 0.001:
        raise ValidationError(f"The shares must add up to 1 (100%), and these add up to {sum(clean.values()):g}.")
    if clean["train"] == 0:
        raise ValidationError("The train split needs a share above 0, so that there is something to learn from.")
    return clean
