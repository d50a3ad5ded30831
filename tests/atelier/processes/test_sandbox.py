"""The sandbox: what a child may use, how it ends, and that the next question is answered whatever the last one did."""

import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from atelier.files import disk
from atelier.processes import sandbox
from atelier.processes.sandbox import (
    Busy,
    ChildDied,
    ChildLimits,
    LimitExceeded,
    SandboxChild,
    TooLong,
    TooMuchMemory,
    TooSlow,
    WorkRefused,
)
from tests.speed import patient

WORK = "tests.fakes.sandbox_work"
LIMITS = ChildLimits(seconds=0.5, wall=20.0, memory=200 << 20, answer=1 << 20)


def child(**more) -> SandboxChild:
    return SandboxChild(WORK, more.pop("setup", b""), more.pop("limits", LIMITS), more.pop("look", None))


def gone(pid: int, seconds: float = 10) -> bool:
    """Return whether a process ends in time."""
    until = time.monotonic() + patient(seconds)
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(
    ("question", "error"),
    [(b"spin", TooSlow), (b"spin in c", TooSlow), (b"grow", TooMuchMemory), (b"crash", TooMuchMemory), (b"long", TooLong),
     (b"refuse", WorkRefused), (b"broken", ChildDied)],
)  # fmt: skip
def test_what_breaks_a_limit_is_told_and_the_next_question_is_answered(question: bytes, error: type[Exception]) -> None:
    with child() as one:
        found = list(one.each([b"a", question, b"b", question, b"c"]))
        assert [type(answer) for answer in found] == [bytes, error, bytes, error, bytes]
        assert [found[0], found[2], found[4]] == [b"<a>", b"<b>", b"<c>"]
        assert str(found[1]).endswith(".")


def test_a_disk_that_is_full_for_the_child_is_full_for_who_asked() -> None:
    with child() as one:
        with pytest.raises(OSError, match="No space left") as caught:
            one.ask(b"full")
        assert disk.is_full(caught.value)
        assert one.ask(b"x") == b"<x>"


def test_thousands_of_questions_of_any_size_come_back_in_their_order() -> None:
    questions = [b"%d " % number + b"y" * (number * 97 % 40_000) for number in range(3000)]
    with child() as one:
        assert list(one.each(iter(questions))) == [b"<" + question + b">" for question in questions]


def test_a_long_answer_comes_in_pieces_and_the_child_is_asked_again() -> None:
    with child() as one:
        assert list(one.stream(b"pieces")) == [b"0", b"1", b"2", b"3", b"4"]
        assert next(one.stream(b"pieces")) == b"0"  # left in the middle
        assert one.ask(b"x") == b"<x>"
        assert one.ask(b"print") == b"quiet"


def test_a_setup_that_is_refused_or_hangs_raises_at_the_start() -> None:
    gc.collect()
    places = sandbox._room.free
    one = child(setup=b"refuse")
    with pytest.raises(WorkRefused, match="cannot be used"):
        one.start()
    assert (one._process, sandbox._room.free) == (None, places)
    with child(setup=b"hang") as one, pytest.raises(TooSlow):
        one.ask(b"x")


def test_a_child_has_no_secrets_no_core_a_session_of_its_own_and_ends_with_all_it_started(monkeypatch) -> None:
    for name in ("SECRET_KEY", "DATABASE_URL", "REDIS_URL", "OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "PYTHONPATH"):
        monkeypatch.setenv(name, "canary")
    with child() as one:
        told = json.loads(one.ask(b"told"))
        assert "canary" not in told["environment"].values()
        assert told["session"] == told["pid"] != os.getsid(0)
        assert told["limits"] == {"CORE": 0, "AS": LIMITS.memory, "FSIZE": 0}
    assert gone(told["pid"])
    assert gone(told["grandchild"])


def test_a_child_ends_with_its_parent_however_that_ends() -> None:
    program = (
        "from atelier.processes.sandbox import ChildLimits, SandboxChild\n"
        f"one = SandboxChild({WORK!r}, b'', ChildLimits(seconds=60))\n"
        "one.start(); print(one._process.pid, flush=True); one.ask(b'spin')"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=Path(__file__).parents[3])
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert gone(pid)


def test_who_waits_hears_a_wish_at_once_and_nothing_stays_behind() -> None:
    class CancelRequest(Exception):
        pass

    began = time.monotonic()

    def look() -> None:
        if time.monotonic() - began > 0.6:
            raise CancelRequest

    with child(look=look) as one:
        one.start()
        pid = one._process.pid
        with pytest.raises(CancelRequest):
            one.ask(b"sleep")
        assert time.monotonic() - began < patient(5)
        assert gone(pid)


def test_an_answer_that_never_comes_ends_by_the_clock_on_the_wall() -> None:
    with child(limits=ChildLimits(wall=1.5)) as one, pytest.raises(TooSlow, match=r"1\.5 seconds"):
        one.ask(b"sleep")


def test_another_thread_can_end_it() -> None:
    with child() as one:
        one.start()
        threading.Timer(0.3, one.kill).start()
        with pytest.raises(LimitExceeded):
            one.ask(b"sleep")


def test_one_asker_does_not_get_all_places(monkeypatch) -> None:
    monkeypatch.setattr(sandbox, "_room", sandbox.ChildRoom(4))
    monkeypatch.setattr(sandbox, "ROOM_SECONDS", 0.1)
    monkeypatch.setattr(sandbox, "PER_ASKER", 2)
    token = sandbox.asker.set("team 1")
    try:
        with child() as one, child() as two, child() as three:
            one.start()
            two.start()
            with pytest.raises(Busy, match="Try again"):
                three.start()
            sandbox.asker.set("team 2")
            assert three.ask(b"x") == b"<x>"
            one.close()
            sandbox.asker.set("team 1")
            assert one.ask(b"y") == b"<y>"
    finally:
        sandbox.asker.reset(token)


def test_only_a_few_run_at_once(monkeypatch) -> None:
    monkeypatch.setattr(sandbox, "_room", sandbox.ChildRoom(2))
    monkeypatch.setattr(sandbox, "ROOM_SECONDS", 0.1)
    with child() as one, child() as two, child() as three:
        one.start()
        two.start()
        with pytest.raises(Busy, match="Try again"):
            three.start()
        two.close()
        assert three.ask(b"x") == b"<x>"
