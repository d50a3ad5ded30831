"""The benches' runner on few rows: what it writes, what it does about a failure and about Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.bench.figures import Clock, Figure, quantile, rates, rounded
from tests.bench.workshop import ROOT
from tests.system.processes import descendants, wait_for

KEYS = {"name", "value", "unit", "reference", "reference_value", "ratio"}
COMMAND = [sys.executable, "-m", "tests.bench"]


def bench(home: Path, *more: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, "--rows", "300", "--home", str(home), *more]
    env = {**os.environ, **environment}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)


def test_a_ratio_is_the_value_over_its_reference() -> None:
    assert Figure("a", 30.0, "rows/s", "floor", 40.0).ratio == 0.75
    assert Figure("a", 30.0, "rows/s", "floor", 0.0).ratio is None
    assert Figure("a", error="It broke.").as_json()["error"] == "It broke."


def test_figures_have_four_digits() -> None:
    assert rounded(12345.678) == 12350
    assert rounded(0.00012345) == 0.0001234 or rounded(0.00012345) == 0.0001235
    assert rounded(None) is None


def test_quantiles_are_values_that_were_measured() -> None:
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert quantile([float(n) for n in range(1, 101)], 0.95) == 95.0
    assert quantile([7.0], 0.95) == 7.0


def test_a_clock_tells_waiting_from_working() -> None:
    with Clock() as clock:
        time.sleep(0.05)
    assert clock.wall >= 0.05 > clock.cpu
    assert [figure.unit for figure in rates("x", 10, clock, "y", clock)] == ["rows/s", "rows/cpu s"]


@pytest.mark.slow
def test_import_list_and_export_give_figures_beside_their_floors(tmp_path: Path) -> None:
    done = bench(tmp_path, "--only", "export,list,import")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "bench.json").read_text())
    assert all(set(figure) == KEYS for figure in found)
    assert all(figure["value"] > 0 and figure["reference_value"] > 0 and figure["ratio"] for figure in found)
    assert [figure["name"] for figure in found][:3] == [
        "import",
        "import, of processor",
        "import, peak memory of the worker",
    ]
    assert {figure["name"].split(",")[0] for figure in found} == {"import", "list", "freeze", "export", "export job"}
    assert "import" in done.stdout
    assert len(list((tmp_path / "bench").glob("chat-*.jsonl"))) == 1


def test_a_failing_bench_is_a_row_with_its_reason_and_a_code(tmp_path: Path) -> None:
    (tmp_path / "bench").write_text("in the way of the folder of rows")
    done = bench(tmp_path, "--only", "import")
    assert done.returncode == 1
    (row,) = json.loads((tmp_path / "bench.json").read_text())
    assert row["name"] == "import"
    assert row["value"] is None
    assert "FileExistsError" in row["error"]


def test_an_unknown_bench_is_refused_with_those_there_are(tmp_path: Path) -> None:
    done = bench(tmp_path, "--only", "imports")
    assert done.returncode == 2
    assert "import,list" in done.stderr.replace(" ", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopping_leaves_no_process_behind(tmp_path: Path, number: signal.Signals) -> None:
    command = [*COMMAND, "--rows", "50000", "--home", str(tmp_path), "--only", "import"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        started = wait_for(lambda: len(below := descendants(process.pid)) >= 2 and below, 60, "the generator to run")
        process.send_signal(number)
        assert process.wait(30) == 130
        assert not [pid for pid in started if Path(f"/proc/{pid}").exists()]
    finally:
        process.kill()
        process.wait()
