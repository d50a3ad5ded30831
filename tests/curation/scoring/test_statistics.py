"""Statistics against published and worked values."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.scoring.statistics import (
    ERROR,
    FEWEST_ROWS,
    Difference,
    adjusted,
    mean,
    paired_means,
    paired_shares,
    percentile,
    sign_flip_test,
    sign_test,
    student_p,
    wilson,
)


def test_percentiles_interpolate_as_numpy_does() -> None:
    values = [15.0, 20.0, 35.0, 40.0, 50.0]
    assert [percentile(values, p) for p in (0, 25, 40, 50, 95, 100)] == pytest.approx([15, 20, 29, 35, 48, 50])
    assert percentile([7.0], 95) == 7.0


@pytest.mark.parametrize(("values", "percent"), [([], 50), ([1.0], 101), ([1.0], -1)])
def test_a_percentile_of_nothing_is_refused(values: list[float], percent: float) -> None:
    with pytest.raises(ValueError, match="percentile needs"):
        percentile(values, percent)


@pytest.mark.parametrize(
    ("successes", "total", "low", "high"),
    [  # Newcombe (1998), "Two-sided confidence intervals for the single proportion", table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_s_interval_agrees_with_newcombe_s_table(successes: int, total: int, low: float, high: float) -> None:
    interval = wilson(successes, total)
    assert interval.low == pytest.approx(low, abs=5e-5)
    assert interval.high == pytest.approx(high, abs=5e-5)


@pytest.mark.parametrize(
    ("wins", "losses", "p"),
    [(8, 2, 0.109375), (2, 8, 0.109375), (9, 1, 0.021484375), (5, 5, 1.0), (0, 0, 1.0), (10, 0, 0.001953125)],
)
def test_the_sign_test_agrees_with_the_binomial_table(wins: int, losses: int, p: float) -> None:
    assert sign_test(wins, losses) == pytest.approx(p)


@pytest.mark.parametrize(
    ("t", "freedom", "p"), [(12.706, 1, 0.05), (2.365, 7, 0.05), (2.086, 20, 0.05), (3.355, 8, 0.01)]
)
def test_student_s_t_agrees_with_the_table(t: float, freedom: int, p: float) -> None:
    assert student_p(t, freedom) == pytest.approx(p, rel=2e-3)
    assert student_p(0.0, freedom) == 1.0


def test_a_mean_has_student_s_interval_and_none_for_few_rows_or_no_spread() -> None:
    interval = mean([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0])
    assert (interval.value, interval.low, interval.high) == pytest.approx((4.5, 2.4521, 6.5479), abs=1e-4)
    assert mean([1.0, 2.0, 3.0]).low is None
    assert (mean([0.1] * 20).low, mean([0.1] * 20).high) == (None, None)
    with pytest.raises(ValueError, match="at least one value"):
        mean([])


def test_pairs_show_a_small_difference_that_rows_hide() -> None:
    left = [row % 50 for row in range(200)]
    right = [value + 0.5 + (row % 3) * 0.1 for row, value in enumerate(left)]
    difference = paired_means(left, right)
    assert difference.low is not None
    assert difference.low > 0.55
    assert difference.high is not None
    assert difference.high < 0.65
    assert difference.p < 0.001


@pytest.mark.parametrize("compare", [paired_means, paired_shares])
def test_pairs_of_different_length_or_none_are_refused(compare) -> None:
    with pytest.raises(ValueError, match="there are 1 and 2"):
        compare([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="at least one pair"):
        compare([], [])


@pytest.mark.parametrize(
    ("gained", "lost", "same", "p"),
    [(1, 0, 0, 1.0), (3, 0, 2, 0.25), (4, 0, 15, 0.125), (4, 0, 196, 0.125), (6, 0, 2, 0.03125)],
)
def test_shares_are_compared_by_the_rows_that_differ(gained: int, lost: int, same: int, p: float) -> None:
    left = [False] * gained + [True] * lost + [True] * same
    right = [True] * gained + [False] * lost + [True] * same
    assert paired_shares(left, right).p == pytest.approx(p)
    assert paired_shares(right, left).p == pytest.approx(p)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_an_interval_of_shares_has_a_width_and_leaves_out_zero_where_the_test_does(pairs) -> None:
    found = paired_shares([a for a, _ in pairs], [b for _, b in pairs])
    assert found.low is not None
    assert found.high is not None
    assert -1 <= found.low <= found.value + 1e-9
    assert found.value - 1e-9 <= found.high <= 1
    assert found.high - found.low > 0.01
    assert (found.low > 0 or found.high < 0) == (found.p < ERROR)


def test_signs_are_flipped_exactly_for_few_rows_and_sampled_for_more() -> None:
    assert sign_flip_test([1.0] * 6) == pytest.approx(2 / 64)
    assert sign_flip_test([3.0, 2.0, -1.0]) == pytest.approx(4 / 8)
    assert sign_flip_test([0.0, 0.0]) == 1.0
    assert sign_flip_test([1.0] * 7 + [-1.0] * 7 + [0.1]) == pytest.approx(1.0, abs=0.1)
    assert sign_flip_test([1.0] * 30) == 1 / 10_000


def test_holm_s_procedure_agrees_with_a_worked_example() -> None:
    equal = adjusted([0.01, 0.04, 0.03, 0.005], [0.25] * 4)
    assert equal == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert adjusted([0.02, 0.9], [0.5, 0.5]) == pytest.approx([0.04, 0.9])
    assert adjusted([], []) == []


def _claimed(found: Difference) -> bool:
    return found.rows >= FEWEST_ROWS and found.p < ERROR


NOISE = {
    "likeness, as chrF": lambda chance: chance.gauss(50, 20),
    "one point up or down": lambda chance: float(chance.randrange(3)),
    "mostly the same": lambda chance: 50.0 + (chance.random() < 0.2) * chance.expovariate(0.1),
    "a few outliers": lambda chance: chance.paretovariate(1.2),
}


@pytest.mark.parametrize("noise", NOISE)
def test_equal_models_differ_in_numbers_at_most_once_in_twenty(noise: str) -> None:
    """The bound allows for the 300 draws of each number of rows: three standard errors above 5%."""
    draw, chance = NOISE[noise], random.Random(noise)
    for rows in (*range(1, 21), 50):
        wrong = sum(
            _claimed(paired_means([draw(chance) for _ in range(rows)], [draw(chance) for _ in range(rows)]))
            for _ in range(300)
        )
        assert wrong <= 300 * 0.05 + 3 * (300 * 0.05 * 0.95) ** 0.5, (rows, wrong)
        if rows < FEWEST_ROWS:
            assert wrong == 0


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_equal_models_differ_in_shares_at_most_once_in_twenty(share: float) -> None:
    """Every count of gains and losses with its own chance, so that the rate is exact and not drawn."""
    differing = 2 * share * (1 - share)
    for rows in (*range(1, 21), 50):
        rate = 0.0
        for count in range(rows + 1):
            many = math.comb(rows, count) * differing**count * (1 - differing) ** (rows - count)
            wrong = sum(math.comb(count, won) for won in range(count + 1) if sign_test(won, count - won) < ERROR)
            rate += many * wrong / 2**count
        assert rate <= ERROR, rows


def test_a_true_difference_is_found_with_enough_rows() -> None:
    chance = random.Random(4)
    left = [chance.gauss(50, 10) for _ in range(50)]
    assert _claimed(paired_means(left, [value + chance.gauss(6, 8) for value in left]))
    assert _claimed(paired_shares([False] * 10 + [True] * 10, [True] * 10 + [True] * 10))


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.floats(0, 100))
def test_a_percentile_lies_between_the_ends(values: list[float], percent: float) -> None:
    assert min(values) <= percentile(values, percent) <= max(values)


@given(st.integers(0, 500), st.integers(1, 500))
def test_a_share_lies_in_its_interval(successes: int, total: int) -> None:
    successes = min(successes, total)
    interval = wilson(successes, total)
    assert 0 <= interval.low <= interval.value <= interval.high <= 1
