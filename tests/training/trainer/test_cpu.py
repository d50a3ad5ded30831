"""Units that a processor announces and that do not work: a child finds out, and the training goes on without them."""

import os

import pytest

from training.trainer import cpu

DIES = "import os, signal; os.kill(os.getpid(), signal.SIGILL)"
AMX = frozenset({"avx512f", "amx_tile", "amx_bf16"})


@pytest.fixture(autouse=True)
def no_limit(monkeypatch):
    monkeypatch.setenv(cpu.LIMIT, "")  # so that what is set below is taken back
    monkeypatch.delenv(cpu.LIMIT)


def test_units_that_end_the_child_are_left_aside_and_said():
    assert "do not work" in cpu.keep_to_what_works(DIES, AMX)
    assert os.environ[cpu.LIMIT] == cpu.WITHOUT_AMX


@pytest.mark.parametrize("trial", ["pass", "raise SystemExit(1)"])
def test_units_that_work_stay(trial):
    assert cpu.keep_to_what_works(trial, AMX) == ""
    assert cpu.LIMIT not in os.environ


def test_nothing_is_tried_where_none_are_announced_or_somebody_chose(monkeypatch):
    assert cpu.keep_to_what_works(DIES, frozenset({"avx512f"})) == ""
    monkeypatch.setenv(cpu.LIMIT, "AVX2")
    assert cpu.keep_to_what_works(DIES, AMX) == ""
    assert os.environ[cpu.LIMIT] == "AVX2"


def test_the_flags_of_this_processor_are_read():
    assert cpu.processor_flags() >= ({"fpu"} if os.uname().machine == "x86_64" else set())


@pytest.mark.slow
def test_the_trial_itself_runs_once_the_limit_is_set():
    """With the limit the trial must live on any processor, and with it training does."""
    import subprocess
    import sys

    limited = os.environ | {cpu.LIMIT: cpu.WITHOUT_AMX}
    done = subprocess.run([sys.executable, "-c", cpu.TRIAL], env=limited, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
