"""What a run decides between two steps: whether a validation is the best, whether to stop, which plan to follow."""

import pytest

from training.recipe.fields import Recipe
from training.trainer.progress import Progress
from training.trainer.state import RunState


def progress(folder, **recipe) -> Progress:
    made = Progress(folder, Recipe(**recipe), RunState(folder), has_validation=True)
    made.lay_out(10)
    return made


def judged(made: Progress, losses: list[float]) -> list[bool]:
    return [made.judge(step, {"eval_loss": loss}) for step, loss in enumerate(losses, 1)]


def test_patience_ends_a_run_after_so_many_validations_without_gain(tmp_path):
    made = progress(tmp_path, patience=2)
    assert judged(made, [0.5, 0.4, 0.6, 0.4]) == [True, True, False, False]
    assert (made.wanted_stop, made.best) == ("stopped early", {"step": 2, "eval_loss": 0.4})


def test_a_run_whose_patience_ends_with_its_last_step_was_completed(tmp_path):
    made = progress(tmp_path, patience=9)
    judged(made, [0.1] + [0.2] * 9)
    assert (made.without_gain, made.wanted_stop) == (9, "")


@pytest.mark.parametrize(("step", "without_gain", "is_over"), [(3, 0, False), (3, 2, True), (10, 0, True)])
def test_what_ended_before_it_was_killed_is_not_trained_on(tmp_path, step, without_gain, is_over):
    made = progress(tmp_path, patience=2)
    made.without_gain = without_gain
    assert made.is_over(step) == is_over
    assert made.wanted_stop == ("stopped early" if without_gain else "")


def test_a_plan_is_kept_for_the_steps_that_it_was_made_for(tmp_path):
    made = progress(tmp_path, max_minutes=1)
    made.kept_anchors = [[0, 0.0, 10], [4, 4.0, 7]]
    made.lay_out(10)
    assert made.plan.total == 7
    made.lay_out(8)  # rows were erased while it was paused
    assert (made.plan.total, made.plan.position(5)) == (8, 5)
