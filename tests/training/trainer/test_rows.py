import errno

import pytest

from training.recipe.fields import Recipe
from training.trainer import rows
from training.trainer.failure import CODES, Failure, describe
from training.trainer.turns import EncodedRow, UnusableRow


class Words:
    """A codec for which a word is a token and the last message is learned."""

    def encode(self, messages, tools=None) -> list[EncodedRow]:
        if any(message["content"] == "bad" for message in messages):
            raise UnusableRow("it is bad")
        words = " ".join(message["content"] for message in messages).split()
        learned = len(messages[-1]["content"].split()) if messages[-1]["role"] == "assistant" else 0
        row = EncodedRow(list(range(len(words))), [-100] * (len(words) - learned) + [1] * learned)
        return [row] * len(messages[-1]["content"].split("|")) if learned else []


def write(path, *lines):
    path.write_text("\n".join(lines))
    return path


def talk(text: str, name: str = "n1") -> str:
    messages = f'[{{"role": "user", "content": "say"}}, {{"role": "assistant", "content": "{text}"}}]'
    return f'{{"id": "{name}", "messages": {messages}}}'


def test_rows_become_tokens(tmp_path):
    loaded = rows.load(write(tmp_path / "t.jsonl", talk("one two"), talk("three")), Words(), Recipe())
    assert loaded.lengths == [3, 2]
    assert loaded.tokens == 5


def test_a_conversation_that_needs_several_rows_counts_once(tmp_path):
    loaded = rows.load(write(tmp_path / "t.jsonl", talk("one|two"), talk("three")), Words(), Recipe())
    assert (len(loaded.encoded), loaded.conversations) == (3, 2)


@pytest.mark.parametrize("line", ["{", "[]", '{"text": "x"}', '{"messages": "x"}'])
def test_a_line_that_is_no_row_is_named(tmp_path, line):
    with pytest.raises(Failure, match=r"t\.jsonl, line 2, isn't a row with messages") as caught:
        rows.load(write(tmp_path / "t.jsonl", talk("one"), line), Words(), Recipe())
    assert caught.value.code == "bad_data"


def test_rows_that_cannot_be_used_are_named_and_counted(tmp_path):
    lines = [talk("bad", f"n{i}") for i in range(7)]
    with pytest.raises(Failure, match=r"7 rows of t\.jsonl cannot be trained on: row n0: it is bad; .*and 2 more"):
        rows.load(write(tmp_path / "t.jsonl", *lines), Words(), Recipe())


def test_a_row_without_an_answer_is_refused(tmp_path):
    line = '{"messages": [{"role": "user", "content": "hello there"}]}'
    with pytest.raises(Failure, match="row 1: it has no assistant message to learn from"):
        rows.load(write(tmp_path / "t.jsonl", line), Words(), Recipe())


def test_long_rows_stop_the_run_by_default(tmp_path):
    path = write(tmp_path / "t.jsonl", talk("word " * 20))
    with pytest.raises(Failure, match="longer than 16 tokens: row n1: 21 tokens") as caught:
        rows.load(path, Words(), Recipe(max_length=16))
    assert "“Skip them”" in caught.value.advice


def test_long_rows_are_left_out_when_asked(tmp_path):
    path = write(tmp_path / "t.jsonl", talk("word " * 20), talk("one"))
    loaded = rows.load(path, Words(), Recipe(max_length=16, too_long="skip"))
    assert (len(loaded.encoded), loaded.skipped) == (1, ["row n1: 21 tokens"])


def test_the_system_prompt_takes_the_place_of_the_rows_own():
    talk = [{"role": "system", "content": "old"}, {"role": "user", "content": "x"}]
    assert rows.with_system(talk, "new") == [{"role": "system", "content": "new"}, talk[1]]
    assert rows.with_system(talk, "") == talk


def test_the_datas_hash_changes_with_any_row(tmp_path):
    path = write(tmp_path / "t.jsonl", talk("one"))
    before = rows.hash_of(path, tmp_path / "none")
    write(path, talk("two"))
    assert rows.hash_of(path, tmp_path / "none") != before


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MemoryError(), "out_of_memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate"), "out_of_memory"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk_full"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), "disk_full"),
        (Failure("nan_loss", "x"), "nan_loss"),
        (KeyError("x"), "crashed"),
    ],
)
def test_every_error_has_a_code_and_a_sentence(error, code):
    failure = describe(error)
    assert failure.code == code in CODES
    assert failure.sentence


def test_running_out_of_gpu_memory_is_known_by_its_name():
    import torch

    assert describe(torch.OutOfMemoryError("CUDA out of memory")).code == "out_of_memory"
