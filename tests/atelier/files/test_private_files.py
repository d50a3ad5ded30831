"""Files that are for their owner only, made whole or not at all."""

import os
from pathlib import Path

import pytest

from atelier import environment

ROUNDS, STARTS = 40, 3  # 400 took ten minutes on a busy machine, and found nothing more


@pytest.fixture(autouse=True)
def no_given_key(monkeypatch):
    monkeypatch.delenv("ATELIER_SECRET_KEY", raising=False)


def keys_of_first_starts(folder: Path) -> set[bytes]:
    """Return the keys of three processes that start at once; each sends its own through a pipe, or `!` and why it got none."""
    gate_out, gate_in = os.pipe()
    told, tell = os.pipe()
    pids = []
    for _ in range(STARTS):
        if pid := os.fork():
            pids.append(pid)
            continue
        os.close(gate_in)
        os.read(gate_out, 1)  # all begin when it is closed
        try:
            answer = environment.secret_key(folder).encode()
        except BaseException as error:
            answer = f"! {error!r}".encode()
        os.write(tell, answer.ljust(200) + b"\n")
        os._exit(0)
    for end in (gate_in, gate_out, tell):
        os.close(end)
    for pid in pids:
        os.waitpid(pid, 0)
    with os.fdopen(told, "rb") as lines:
        answers = [line.strip() for line in lines]
    assert len(answers) == STARTS
    return set(answers)


@pytest.mark.parametrize("empty", [False, True], ids=["no file", "an empty file of a crash"])
def test_three_first_starts_at_once_get_one_same_key(tmp_path, empty):
    for number in range(ROUNDS):
        folder = tmp_path / str(number)
        folder.mkdir()
        if empty:
            (folder / "secret.key").touch()
        keys = keys_of_first_starts(folder)
        assert len(keys) == 1, keys
        key = keys.pop()
        assert len(key) > 50, key
        assert (folder / "secret.key").read_bytes() == key
        assert os.listdir(folder) == ["secret.key"]
        assert (folder / "secret.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"short", b"\0" * 60, "ü".encode() * 40, b"\xff" * 60])
def test_what_is_no_key_is_refused_and_stays_as_it_is(tmp_path, content):
    (tmp_path / "secret.key").write_bytes(content)
    with pytest.raises(RuntimeError, match="Restore it from a backup"):
        environment.secret_key(tmp_path)
    assert (tmp_path / "secret.key").read_bytes() == content


def test_a_private_file_is_whole_or_as_it_was(tmp_path):
    path = tmp_path / "first-login.txt"
    environment.write_private(path, "owner\nold\n")
    with pytest.raises(TypeError):
        environment.write_private(path, None)  # type: ignore[arg-type]
    assert path.read_text() == "owner\nold\n"
    assert os.listdir(tmp_path) == ["first-login.txt"]
