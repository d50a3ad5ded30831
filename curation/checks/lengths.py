"""The usual lengths of texts in a dataset."""

import math
from collections.abc import Sequence
from statistics import median

FEWEST = 50  # of fewer records nothing is unusual
FAR = 5.0  # deviations, of the logarithm: lengths of texts are spread evenly there
SPREAD = 0.25  # so much at least counts as one deviation, for records of one length make everything else an outlier
NORMAL = 1.4826  # makes the median deviation a standard deviation


def usual(lengths: Sequence[int]) -> tuple[int, int] | None:
    """Return the usual range (shortest, longest) in words, by median and absolute deviation; None if there are too few."""
    logs = [math.log1p(length) for length in lengths]
    if len(logs) < FEWEST:
        return None
    middle = median(logs)
    spread = max(SPREAD, NORMAL * median(abs(each - middle) for each in logs))
    return math.floor(math.expm1(max(0.0, middle - FAR * spread))), math.ceil(math.expm1(middle + FAR * spread))
