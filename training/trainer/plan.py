"""The plan of a run: its number of steps, and how far the learning rate's schedule has come at each of them.

Without a time limit that is what the recipe says. With one, the speed of the first steps tells how many fit, and the
schedule is shrunk to end there, or stretched again, never beyond the recipe, when the machine becomes faster: a run that
is cut off with its rate still high has learned less than a shorter one that was laid out for its time.
"""

from typing import Any, NamedTuple

MEASURED_STEPS = 5
TOLERANCE = 0.1  # of the steps that are left; less is noise


class Anchor(NamedTuple):
    """From `step` on, the schedule goes evenly from `position` to its end at `total` steps."""

    step: int
    position: float  # in steps of the recipe's own schedule
    total: int


class Plan:
    """The steps of a run. `minutes` is the limit of the recipe, 0 for none; `anchors` is kept in checkpoints."""

    def __init__(self, steps: int, minutes: float) -> None:
        self.steps, self.limit = steps, 60 * minutes
        self.anchors = [Anchor(0, 0.0, steps)]

    @property
    def total(self) -> int:
        """The number of steps after which the run ends, as planned now."""
        return self.anchors[-1].total

    def position(self, step: int) -> float:
        """Return where `step` stands on the recipe's own schedule, in steps of it; the step itself where nothing changed."""
        if len(self.anchors) == 1:
            return step
        anchor = next(anchor for anchor in reversed(self.anchors) if anchor.step <= step)
        if step >= anchor.total:
            return self.steps
        return anchor.position + (self.steps - anchor.position) * (step - anchor.step) / (anchor.total - anchor.step)

    def revise(self, step: int, spent: float, pace: float, reserve: float) -> bool:
        """Lay out the rest of the run anew where it would end too late or too early; returns whether it changed.

        `spent` and `reserve` (for the last validation) are seconds; `pace` is seconds a step, with all that belongs to it.
        """
        if not self.limit or step >= self.total:
            return False
        left = max(0, int((self.limit - spent - reserve) / pace))
        total = min(self.steps, step + left)
        if abs(total - self.total) <= max(1.0, TOLERANCE * (self.total - step)):
            return False
        total = max(total, step)
        self.anchors.append(Anchor(step, self.position(step), total))
        return True

    def restore(self, anchors: list[list[Any]]) -> None:
        """Take up the plan that a checkpoint kept."""
        self.anchors = [Anchor(*anchor) for anchor in anchors]
