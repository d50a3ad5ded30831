"""How far a figure can be trusted: percentiles, intervals, and tests of a difference between two models.

Evaluations have tens to thousands of rows, so pure Python is quick enough: 2,000 resamples of 1,000 rows take about a
second.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean

RESAMPLES = 2_000


@dataclass(frozen=True)
class Interval:
    """An estimate with the ends of its confidence interval."""

    value: float
    low: float
    high: float


def percentile(values: Sequence[float], percent: float) -> float:
    """The value below which `percent` (0 to 100) of the values lie, interpolated linearly between neighbours.

    Type 7 of Hyndman and Fan (1996), "Sample Quantiles in Statistical Packages", as numpy and R do by default. Raises
    ValueError for no values or a percent outside 0 to 100.
    """
    if not values or not 0 <= percent <= 100:
        raise ValueError("A percentile needs at least one value and a percent from 0 to 100.")
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def wilson(successes: int, total: int, confidence: float = 0.95) -> Interval:
    """The interval of a share of successes by Wilson's score (1927); right also near 0 and 1, and for few rows."""
    if not 0 <= successes <= total or total == 0:
        raise ValueError("A share needs 0 <= successes <= total and a total above 0.")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = successes / total
    centre = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    # At the ends the formula gives the end itself but for rounding.
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == total else centre + half
    return Interval(share, low, high)


def bootstrap_mean(
    values: Sequence[float], confidence: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """The mean, or for values of 0 and 1 the share, with its percentile bootstrap interval (Efron 1979).

    The same values and seed give the same interval. Raises ValueError for no values.
    """
    if not values:
        raise ValueError("A mean needs at least one value.")
    draw = random.Random(seed)  # noqa: S311  (a simulation, not a secret)
    means = [fmean(draw.choices(values, k=len(values))) for _ in range(resamples)]
    tail = (1 - confidence) / 2 * 100
    return Interval(fmean(values), percentile(means, tail), percentile(means, 100 - tail))


def paired_difference(
    left: Sequence[float],
    right: Sequence[float],
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Mean of right minus left over the same rows, with its paired bootstrap interval.

    Rows are drawn as pairs, so that what makes a row hard for both does not blur the difference; see Koehn (2004),
    "Statistical Significance Tests for Machine Translation Evaluation". An interval without 0 is a difference that
    can be relied on. Raises ValueError when the lengths differ or nothing is given.
    """
    if len(left) != len(right):
        raise ValueError(f"Pairs need as many values on each side: there are {len(left)} and {len(right)}.")
    differences = [b - a for a, b in zip(left, right, strict=True)]
    return bootstrap_mean(differences, confidence, resamples, seed)


def sign_test(wins: int, losses: int) -> float:
    """The two-sided p-value of the exact sign test; ties are left out before. 1.0 when there is neither win nor loss.

    The chance that a fair coin falls at least this unevenly; see Dixon and Mood (1946), "The Statistical Sign Test".
    """
    if wins < 0 or losses < 0:
        raise ValueError("Wins and losses cannot be negative.")
    total = wins + losses
    ways = sum(math.comb(total, count) for count in range(min(wins, losses) + 1))
    return min(1.0, 2 * ways / (1 << total))
