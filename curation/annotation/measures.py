"""Measures of inter-annotator agreement from the literature, and whether two answers are alike. Library ring: no Django.

A unit is what several people answered: a list of their answers, in any order, missing ones left out. Every measure
returns a Measure, whose value is None with a sentence where there is too little to measure; never NaN.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

Unit = Sequence[Hashable]
Distance = Callable[[Any, Any], float]
MOST_VALUES = 400  # different answers: every two of them are compared
EMPTY = "No record has answers from two people yet."
CERTAIN = "Everyone gave the same answer throughout, so agreement cannot be told from chance."
SOURCE = "Landis and Koch 1977"
BANDS = (
    (0.0, "poor"),
    (0.2, "slight"),
    (0.4, "fair"),
    (0.6, "moderate"),
    (0.8, "substantial"),
    (1.0, "almost perfect"),
)


@dataclass(frozen=True)
class Measure:
    """A value with the number of units it was computed from; without a value, the sentence that states why."""

    value: float | None
    units: int = 0
    note: str = ""

    @property
    def reading(self) -> str:
        """Return the value in a word, on the scale of Landis and Koch (1977) for kappa."""
        if self.value is None:
            return ""
        return (
            next((word for most, word in BANDS if self.value <= most + 1e-12), BANDS[-1][1])
            if self.value >= 0
            else "poor"
        )


def _several(units: Iterable[Unit]) -> list[Unit]:
    return [unit for unit in units if len(unit) > 1]


def percent(units: Iterable[Unit], alike: Callable[[Any, Any], bool] | None = None) -> Measure:
    """Compute percent agreement: the share, 0 to 1, of equal pairs of answers to the same unit. Every unit weighs alike."""
    several = _several(units)
    if not several:
        return Measure(None, 0, EMPTY)
    total = 0.0
    for unit in several:
        pairs = list(combinations(unit, 2))
        total += sum((alike(a, b) if alike else a == b) for a, b in pairs) / len(pairs)
    return Measure(total / len(several), len(several))


def cohen(pairs: Iterable[tuple[Hashable, Hashable]]) -> Measure:
    """Compute Cohen's kappa of two people (Cohen 1960) from the units that both answered, as (one's, the other's)."""
    rows = list(pairs)
    if not rows:
        return Measure(None, 0, EMPTY)
    count = len(rows)
    first, second = Counter(a for a, _ in rows), Counter(b for _, b in rows)
    seen = sum(a == b for a, b in rows) / count
    chance = sum(first[value] * second[value] for value in first) / count**2
    if chance >= 1:
        return Measure(None, count, CERTAIN)
    return Measure((seen - chance) / (1 - chance), count)


def fleiss(units: Iterable[Unit]) -> Measure:
    """Compute Fleiss' kappa (Fleiss 1971).

    It needs equally many answers to each unit: only units with the commonest number count.
    """
    several = _several(units)
    if not several:
        return Measure(None, 0, EMPTY)
    raters = Counter(map(len, several)).most_common(1)[0][0]
    taken = [Counter(unit) for unit in several if len(unit) == raters]
    shares: Counter[Hashable] = sum(taken, Counter())
    chance = sum((count / (len(taken) * raters)) ** 2 for count in shares.values())
    if chance >= 1:
        return Measure(None, len(taken), CERTAIN)
    seen = sum((sum(n * n for n in unit.values()) - raters) / (raters * (raters - 1)) for unit in taken) / len(taken)
    left = len(several) - len(taken)
    note = f"Of the units with {raters} answers; {left:,} with another number are not counted." if left else ""
    return Measure((seen - chance) / (1 - chance), len(taken), note)


# --- Krippendorff's alpha --------------------------------------------------------------------------


def nominal(a: Any, b: Any) -> float:
    return float(a != b)


def interval(a: Any, b: Any) -> float:
    return float((a - b) ** 2)


def jaccard(a: frozenset, b: frozenset) -> float:
    """Return the Jaccard distance of two sets of labels: the share of labels that only one of them has."""
    return 1 - len(a & b) / len(a | b) if a or b else 0.0


def ordinal(units: Iterable[Unit]) -> Distance:
    """Return the ordinal distance, by the number of answers between the two ranks (Krippendorff 2011)."""
    counts = Counter(value for unit in _several(units) for value in unit)
    below, places = 0.0, {}
    for value in sorted(counts):  # type: ignore[type-var]
        places[value] = below + counts[value] / 2
        below += counts[value]
    return lambda a, b: (places[a] - places[b]) ** 2


def alpha(units: Iterable[Unit], distance: Distance = nominal) -> Measure:
    """Compute Krippendorff's alpha (Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability").

    Answers may be missing.
    """
    several = _several(units)
    if not several:
        return Measure(None, 0, EMPTY)
    counts = Counter(value for unit in several for value in unit)
    if len(counts) < 2:
        return Measure(None, len(several), CERTAIN)
    if len(counts) > MOST_VALUES:
        return Measure(
            None, len(several), f"There are more than {MOST_VALUES} different answers, too many to compare in pairs."
        )
    seen = sum(_within(Counter(unit), distance) / (len(unit) - 1) for unit in several)
    total = sum(counts.values())
    chance = _within(counts, distance) / (total - 1)
    if chance == 0:
        return Measure(None, len(several), CERTAIN)
    return Measure(1 - seen / chance, len(several))


def _within(counts: Counter[Any], distance: Distance) -> float:
    """Return the sum of the distances of all ordered pairs of these answers."""
    return 2 * sum(n * m * distance(a, b) for (a, n), (b, m) in combinations(counts.items(), 2))


# --- spans, rankings, texts ------------------------------------------------------------------------

Span = tuple[int, int, str]  # start, end (left out), label


def span_f1(units: Iterable[Sequence[frozenset[Span]]], exact: bool = True) -> Measure:
    """Compute the F1 of spans over all pairs of people, all spans together.

    A span counts when both have it, or with `exact` off when the other has one of that label that shares a character
    with it.
    """
    several = [unit for unit in units if len(unit) > 1]
    hits, marked = 0, 0
    for unit in several:
        for one, other in combinations(unit, 2):
            marked += len(one) + len(other)
            hits += 2 * len(one & other) if exact else _touching(one, other) + _touching(other, one)
    if not several:
        return Measure(None, 0, EMPTY)
    if not marked:
        return Measure(None, len(several), "No spans were marked, so there is nothing to compare.")
    return Measure(hits / marked, len(several))


def _touching(one: frozenset[Span], other: frozenset[Span]) -> int:
    return sum(any(s < end and start < e and label == its for s, e, its in other) for start, end, label in one)


def kendall(units: Iterable[Sequence[Sequence[str]]]) -> Measure:
    """Compute Kendall's tau of rankings of the same names, best first, without ties.

    It is the mean over all pairs of people, -1 to 1.
    """
    taus, several = [], [unit for unit in units if len(unit) > 1]
    for unit in several:
        taus += [tau for one, other in combinations(unit, 2) if (tau := _tau(one, other)) is not None]
    if not taus:
        return Measure(None, len(several), EMPTY if not several else "The rankings do not contain the same names.")
    return Measure(sum(taus) / len(taus), len(several))


def _tau(one: Sequence[str], other: Sequence[str]) -> float | None:
    if set(one) != set(other) or len(one) < 2:
        return None
    places = {name: n for n, name in enumerate(other)}
    pairs = list(combinations(one, 2))
    return sum(1 if places[a] < places[b] else -1 for a, b in pairs) / len(pairs)


def words_shared(a: str, b: str) -> float:
    """Compute the F1 of the words of two texts, 0 to 1, each word counted as often as it occurs."""
    one, other = Counter(a.split()), Counter(b.split())
    total = sum(one.values()) + sum(other.values())
    return 2 * sum((one & other).values()) / total if total else 1.0


def shared(units: Iterable[Sequence[str]]) -> Measure:
    """Compute the mean F1 of the words of each two texts of a unit."""
    several = [unit for unit in units if len(unit) > 1]
    if not several:
        return Measure(None, 0, EMPTY)
    each = [words_shared(a, b) for unit in several for a, b in combinations(unit, 2)]
    return Measure(sum(each) / len(each), len(several))


# --- answers of people -----------------------------------------------------------------------------


def comparable(kind: str, value: Any) -> Hashable:
    """Convert an answer to the form that the measures take.

    Labels and spans become sets, a text its words with single spaces.
    """
    if kind == "labels":
        return frozenset(value)
    if kind == "spans":
        return frozenset((one["start"], one["end"], one["label"]) for one in value)
    if kind == "ranking":
        return tuple(value)
    if kind in ("text", "comment"):
        return " ".join(value.split())
    return value  # type: ignore[no-any-return]


def alike(kind: str, a: Any, b: Any, tolerance: float = 1.0) -> bool:
    """Return whether two answers are alike.

    Comments always are; texts and spans from an F1 of `tolerance` on, in words or spans (those of a span that touch
    count), when it is below 1.
    """
    if kind == "comment":
        return True
    if a is None or b is None:
        return a is b
    one, other = comparable(kind, a), comparable(kind, b)
    if one == other:
        return True
    if tolerance >= 1 or kind not in ("text", "spans"):
        return False
    if kind == "text":
        return words_shared(str(one), str(other)) >= tolerance
    return (span_f1([[one, other]], exact=False).value or 0.0) >= tolerance  # type: ignore[list-item]


def differing(kinds: dict[str, str], given: Sequence[dict[str, Any]], tolerance: float = 1.0) -> list[str]:
    """Return the names of the questions, given as {name: kind}, whose answers are not all alike."""
    first, others = (given[0], given[1:]) if given else ({}, [])
    return [
        name
        for name, kind in kinds.items()
        if not all(alike(kind, first.get(name), one.get(name), tolerance) for one in others)
    ]


def measures(kind: str, units: list[list[Any]]) -> dict[str, Measure]:
    """Compute the measures that fit a kind of question, by their names; `units` hold answers as people gave them."""
    plain: list[list[Any]] = [[comparable(kind, value) for value in unit] for unit in units]
    values = {"percent": percent(plain)}
    if kind in ("label", "rating"):
        values |= {"fleiss": fleiss(plain), "alpha_nominal": alpha(plain)}
    if kind == "rating":
        values |= {"alpha_ordinal": alpha(plain, ordinal(plain)), "alpha_interval": alpha(plain, interval)}
    if kind == "labels":
        values |= {"fleiss": fleiss(plain), "alpha_nominal": alpha(plain), "alpha_sets": alpha(plain, jaccard)}
    if kind == "spans":
        values |= {"f1_exact": span_f1(plain), "f1_overlap": span_f1(plain, exact=False)}
    if kind == "ranking":
        ranks = [
            [ranking.index(name) + 1 for ranking in unit if name in ranking] for unit in plain for name in _named(unit)
        ]
        values |= {"kendall": kendall(plain), "alpha_ranks": alpha(ranks, ordinal(ranks))}
    if kind == "text":
        values |= {"words": shared(plain)}
    return values


def _named(unit: list[Any]) -> list[str]:
    return sorted({name for ranking in unit for name in ranking})


MAIN = {
    "label": "alpha_nominal", "labels": "alpha_sets", "rating": "alpha_ordinal", "ranking": "kendall",
    "spans": "f1_exact", "text": "words",
}  # fmt: skip
NAMES = {
    "percent": "Same answer", "cohen": "Cohen's kappa", "fleiss": "Fleiss' kappa", "alpha_nominal": "Krippendorff's alpha, nominal",
    "alpha_ordinal": "Krippendorff's alpha, ordinal", "alpha_interval": "Krippendorff's alpha, interval",
    "alpha_sets": "Krippendorff's alpha, sets of labels", "alpha_ranks": "Krippendorff's alpha, ranks", "kendall": "Kendall's tau",
    "f1_exact": "F1, same spans", "f1_overlap": "F1, overlapping spans", "words": "Shared words",
}  # fmt: skip
