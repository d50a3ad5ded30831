"""Statistics against published and worked values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.scoring.stats import bootstrap_mean, paired_difference, percentile, sign_test, wilson


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


def test_a_bootstrap_interval_agrees_with_the_normal_one_for_many_rows() -> None:
    values = [1.0] * 300 + [0.0] * 700
    interval = bootstrap_mean(values)
    half = 1.96 * (0.3 * 0.7 / 1000) ** 0.5
    assert interval.value == pytest.approx(0.3)
    assert interval.low == pytest.approx(0.3 - half, abs=0.004)
    assert interval.high == pytest.approx(0.3 + half, abs=0.004)


def test_the_same_seed_gives_the_same_interval() -> None:
    values = [row * 0.37 % 1 for row in range(50)]
    assert bootstrap_mean(values, seed=3) == bootstrap_mean(values, seed=3)
    assert bootstrap_mean(values, seed=3) != bootstrap_mean(values, seed=4)


def test_pairs_show_a_small_difference_that_rows_hide() -> None:
    left = [row % 50 for row in range(200)]
    right = [value + 0.5 + (row % 3) * 0.1 for row, value in enumerate(left)]
    difference = paired_difference(left, right)
    assert difference.low > 0.55
    assert difference.high < 0.65


def test_pairs_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="there are 1 and 2"):
        paired_difference([1.0], [1.0, 2.0])


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.floats(0, 100))
def test_a_percentile_lies_between_the_ends(values: list[float], percent: float) -> None:
    assert min(values) <= percentile(values, percent) <= max(values)


@given(st.integers(0, 500), st.integers(1, 500))
def test_a_share_lies_in_its_interval(successes: int, total: int) -> None:
    successes = min(successes, total)
    interval = wilson(successes, total)
    assert 0 <= interval.low <= interval.value <= interval.high <= 1
