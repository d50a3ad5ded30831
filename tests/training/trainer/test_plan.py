"""Plans: how many steps fit a time limit, and where each step stands on the schedule."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.trainer.plan import Plan


def driven(plan: Plan, paces: list[float], reserve: float = 0.0) -> tuple[int, float, list[float]]:
    """Run a plan on a machine whose steps take these seconds (the last for ever): steps, seconds and positions."""
    spent, step, positions = 0.0, 0, [0.0]
    while step < plan.total:
        spent += paces[min(step, len(paces) - 1)]
        step += 1
        positions.append(plan.position(step))
        if step >= 5:
            plan.revise(step, spent, spent / step, reserve)
    return step, spent, positions


def test_without_a_limit_every_step_stands_where_the_recipe_puts_it():
    plan = Plan(90, 0)
    assert driven(plan, [100.0]) == (90, 9000.0, list(range(91)))


def test_a_slow_machine_gets_the_whole_schedule_in_fewer_steps():
    plan = Plan(90, 8)
    steps, spent, positions = driven(plan, [12.0])
    assert (steps, spent) == (40, 480.0)
    assert positions[-1] == 90


def test_what_fits_is_left_alone():
    plan = Plan(90, 8)
    assert driven(plan, [4.0])[0] == 90
    assert len(plan.anchors) == 1


def test_time_for_the_last_validation_is_kept():
    assert driven(Plan(90, 8), [12.0], reserve=60.0)[1] <= 420


def test_a_machine_that_becomes_faster_gets_its_steps_back():
    steps, spent, positions = driven(Plan(90, 8), [20.0] * 8 + [4.0])
    assert steps > 60
    assert 0.8 * 480 < spent <= 480 * 1.05
    assert positions[-1] == 90


@given(st.integers(1, 400), st.floats(0.5, 30), st.lists(st.floats(0.1, 30), min_size=1, max_size=60), st.floats(0, 60))
def test_the_schedule_only_goes_forward_and_ends_where_the_run_does(steps, minutes, paces, reserve):
    plan = Plan(steps, minutes)
    done, _, positions = driven(plan, paces, reserve)
    assert all(earlier <= later for earlier, later in itertools.pairwise(positions))
    assert done <= steps
    assert positions[-1] == pytest.approx(steps) or done == plan.total
    kept = Plan(steps, minutes)
    kept.restore([list(anchor) for anchor in plan.anchors])
    assert [kept.position(step) for step in range(done)] == [plan.position(step) for step in range(done)]
