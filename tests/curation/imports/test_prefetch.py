"""Working one step ahead: in order, one at a time, and what goes wrong comes where its item would."""

import sys
import threading
import time
from contextlib import closing

import pytest

from curation.imports.prefetch import SWITCH, ahead


def test_items_come_in_order_and_the_next_one_is_made_meanwhile():
    made: list[int] = []
    ready = threading.Event()

    def make() -> int | None:
        made.append(len(made) + 1)
        if len(made) == 2:
            ready.set()
        return made[-1] if made[-1] <= 3 else None

    coming = ahead(make)
    assert next(coming) == 1
    assert ready.wait(60), "the second was not begun while the first was used"
    assert [1, *coming] == [1, 2, 3]
    assert made == [1, 2, 3, 4]


def test_what_is_raised_comes_where_its_item_would():
    steps = iter([lambda: "first", lambda: 1 / 0])
    coming = ahead(lambda: next(steps)())
    assert next(coming) == "first"
    with pytest.raises(ZeroDivisionError):
        next(coming)


def test_closing_waits_for_the_step_under_way_and_leaves_nothing_behind():
    before, ended = sys.getswitchinterval(), []

    def make() -> int:
        time.sleep(0.05)
        ended.append(threading.current_thread().name)
        return len(ended)

    with closing(ahead(make)) as coming:
        assert next(coming) == 1
        assert sys.getswitchinterval() == pytest.approx(min(before, SWITCH))
    assert len(ended) == 2
    assert set(ended) != {threading.current_thread().name}
    assert sys.getswitchinterval() == pytest.approx(before)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]
