"""Statistics of how reliable a figure is: percentiles, confidence intervals, and tests of a difference between two models.

The tests of a difference keep their error for few rows too: they are exact, or no surer than an exact one. A bootstrap
is not: of two equal models with 3 rows it finds a difference every fourth time.
"""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean

import numpy as np

FEWEST_ROWS = 8  # below that no difference is claimed, and a mean of numbers has no interval
ERROR = 0.05
FLIPS = 9_999
MOST_FLIPPED = 500  # with more rows Student's test alone is as good


@dataclass(frozen=True)
class Interval:
    """An estimate with the ends of its confidence interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Mean:
    """A mean with the ends of its confidence interval; None for too few rows, or when all values are the same."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Difference(Mean):
    """A paired difference with its two-sided p-value: how often equal models would differ at least so much."""

    p: float
    rows: int


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value below which `percent` (0 to 100) of the values are, interpolated linearly between neighbours.

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


def wilson(successes: float, total: int, confidence: float = 0.95) -> Interval:
    """Return the Wilson score interval (1927) of a share of successes; right also near 0 and 1, and for few rows.

    A tie may count as half a success: that varies less than a whole one, so the interval is rather too wide.
    """
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


def mean(values: Sequence[float], confidence: float = 0.95) -> Mean:
    """Return the mean with its Student interval; without one below `FEWEST_ROWS` rows, or when all values are the same.

    Raises ValueError for no values.
    """
    if not values:
        raise ValueError("A mean needs at least one value.")
    centre = fmean(values)
    error = _standard_error(values)
    if len(values) < FEWEST_ROWS or not error:
        return Mean(centre, None, None)
    half = error * _student_quantile(len(values) - 1, confidence)
    return Mean(centre, centre - half, centre + half)


def paired_shares(left: Sequence[bool], right: Sequence[bool]) -> Difference:
    """Return how much larger the share of right is than that of left, over the same rows, by the exact McNemar test.

    Only the rows that one keeps and the other breaks tell the two apart; see McNemar (1947). The interval combines the
    exact one of how these rows fall (Clopper and Pearson 1934) with Wilson's of how many there are: it leaves out 0 only
    where the test does, and has a width also when no row differs. Raises ValueError when the lengths differ or nothing
    is given.
    """
    rows = _paired(left, right)
    gained = sum(b and not a for a, b in zip(left, right, strict=True))
    lost = sum(a and not b for a, b in zip(left, right, strict=True))
    differing = wilson(gained + lost, rows)
    direction = _exact_share(gained, gained + lost)
    low, high = 2 * direction.low - 1, 2 * direction.high - 1
    return Difference(
        (gained - lost) / rows,
        low * (differing.low if low > 0 else differing.high),
        high * (differing.low if high < 0 else differing.high),
        sign_test(gained, lost),
        rows,
    )


def paired_means(left: Sequence[float], right: Sequence[float]) -> Difference:
    """Return the mean of right minus left over the same rows, with Student's interval and the larger of two p-values.

    Student's test, and the sign-flip test (Fisher 1935), which is exact whatever the differences look like: of equal
    models each difference could as well have had the other sign. Raises ValueError when the lengths differ or nothing
    is given.
    """
    rows = _paired(left, right)
    differences = [b - a for a, b in zip(left, right, strict=True)]
    found = mean(differences)
    error = _standard_error(differences)
    if error:
        p = student_p(abs(found.value) / error, rows - 1)
    else:
        p = 0.0 if any(differences) and rows > 1 else 1.0
    if p < ERROR and rows <= MOST_FLIPPED:
        p = max(p, sign_flip_test(differences))
    return Difference(found.value, found.low, found.high, p, rows)


def _paired(left: Sequence[float], right: Sequence[float]) -> int:
    if len(left) != len(right):
        raise ValueError(f"Pairs need as many values on each side: there are {len(left)} and {len(right)}.")
    if not left:
        raise ValueError("A difference needs at least one pair.")
    return len(left)


def _standard_error(values: Sequence[float]) -> float:
    """Return the standard error of a mean; 0.0 for one value, and for values that differ by rounding alone."""
    if len(values) < 2:
        return 0.0
    centre = fmean(values)
    spread = math.sqrt(math.fsum((value - centre) ** 2 for value in values) / (len(values) - 1))
    return spread / math.sqrt(len(values)) if spread > 1e-9 * max(map(abs, values)) else 0.0


def sign_test(wins: int, losses: int) -> float:
    """Return the two-sided p-value of the exact sign test; ties are left out before. 1.0 if there is neither win nor loss.

    It is the chance that a fair coin falls at least this unevenly; see Dixon and Mood (1946), "The Statistical Sign
    Test".
    """
    if wins < 0 or losses < 0:
        raise ValueError("Wins and losses cannot be negative.")
    total = wins + losses
    ways = combinations = 1
    for count in range(min(wins, losses)):
        combinations = combinations * (total - count) // (count + 1)
        ways += combinations
    return min(1.0, 2 * ways / (1 << total))


def sign_flip_test(differences: Sequence[float], seed: int = 0) -> float:
    """Return the two-sided p-value of the sign-flip test of a mean of 0: exact to 12 rows that differ, sampled above.

    Sampled, the observed signs count as one of the draws, so that the error stays exact.
    """
    values = np.array([value for value in differences if value], dtype=float)
    if not len(values):
        return 1.0
    reached = abs(values.sum()) * (1 - 1e-9)
    if len(values) <= 12:
        codes = np.arange(1 << len(values))[:, None] >> np.arange(len(values))
        return float(np.mean(np.abs((1 - 2 * (codes & 1)) @ values) >= reached))
    signs = 1 - 2 * np.random.default_rng(seed).integers(0, 2, (FLIPS, len(values)), dtype=np.int8)
    return float((1 + np.count_nonzero(np.abs(signs @ values) >= reached)) / (1 + FLIPS))


def adjusted(p_values: Sequence[float], weights: Sequence[float]) -> list[float]:
    """Return the p-values adjusted for looking at all of them, by Holm's weighted procedure (1979).

    Claiming what is then below `ERROR` is wrong about any of them at most that often. A larger weight, of weights that
    add up to 1, keeps more of the error for a test.
    """
    left, highest = sum(weights), 0.0
    found = [1.0] * len(p_values)
    for place in sorted(range(len(p_values)), key=lambda place: p_values[place] / weights[place]):
        highest = max(highest, min(1.0, p_values[place] * left / weights[place]))
        found[place] = highest
        left -= weights[place]
    return found


def student_p(t: float, freedom: int) -> float:
    """Return the two-sided p-value of Student's t at these degrees of freedom; 1.0 for none."""
    return _incomplete_beta(freedom / (freedom + t * t), freedom / 2, 0.5) if freedom > 0 else 1.0


@functools.cache
def _student_quantile(freedom: int, confidence: float) -> float:
    return _root(lambda t: student_p(t, freedom) - (1 - confidence), 0.0, 1e4)


@functools.lru_cache(4096)
def _exact_share(successes: int, total: int, confidence: float = 0.95) -> Interval:
    """Return the exact interval of a share (Clopper and Pearson 1934); all of 0 to 1 for a total of 0."""
    tail, rest = (1 - confidence) / 2, total - successes
    low = high = None
    if successes:
        low = _root(lambda share: tail - _incomplete_beta(share, successes, rest + 1), 0.0, 1.0)
    if rest:
        high = _root(lambda share: 1 - tail - _incomplete_beta(share, successes + 1, rest), 0.0, 1.0)
    return Interval(successes / total if total else 0.5, 0.0 if low is None else low, 1.0 if high is None else high)


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where a function that falls from low to high is 0, by halving."""
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) > 0 else (low, middle)
    return (low + high) / 2


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """Return the regularized incomplete beta function, by its continued fraction (Abramowitz and Stegun 26.5.8)."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):  # the fraction converges quickly only below
        return 1 - _incomplete_beta(1 - x, b, a)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )  # fmt: skip
    # Lentz's method: numerator and denominator as ratios of one step to the one before.
    upper, lower = 1.0, 1 / (1 - (a + b) * x / (a + 1))
    value = lower
    for m in range(1, 10_000):
        for factor in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            lower = 1 / (1 + factor * lower)
            upper = 1 + factor / upper
            value *= upper * lower
        if abs(upper * lower - 1) < 1e-14:
            break
    return front * value / a
