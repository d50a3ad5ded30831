"""The client that replays recorded answers."""

import json
from pathlib import Path

import pytest

from curation.chat import ClientError, Sampling
from inference.clients import open_client


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    path = tmp_path / "answers.jsonl"
    rows = [{"id": "a", "prompt": "Say  hello,\nplease.", "answer": "Hello.\n\nThere."}]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def ask(text: str) -> list[dict[str, str]]:
    return [{"role": "system", "content": "guide"}, {"role": "user", "content": text}]


async def test_an_answer_is_found_by_the_last_user_message_whatever_its_white_space(answers: Path) -> None:
    async with open_client("recorded", answers_path=answers) as client:
        answer = await client.complete(ask(" Say hello, please.\r\n"), Sampling())
    assert answer.text == "Hello.\n\nThere."
    assert (answer.model, client.name) == ("recorded", "recorded")


async def test_a_stream_gives_the_same_text(answers: Path) -> None:
    async with open_client("recorded", answers_path=answers) as client:
        deltas = [delta async for delta in client.stream(ask("Say hello, please."), Sampling())]
    assert "".join(delta.text for delta in deltas) == "Hello.\n\nThere."
    assert deltas[-1].answer is not None


async def test_an_unknown_prompt_is_an_error_that_says_what_to_do(answers: Path) -> None:
    async with open_client("recorded", answers_path=answers) as client:
        with pytest.raises(ClientError, match=r"no recorded answer.*Choose a live teacher") as caught:
            await client.complete(ask("Say goodbye."), Sampling())
        assert not caught.value.retryable
        with pytest.raises(ClientError, match="no recorded answer"):
            await client.complete([{"role": "system", "content": "guide"}], Sampling())


@pytest.mark.parametrize("line", ["{", "[]", '{"prompt": "x"}', '{"prompt": 3, "answer": "x"}'])
def test_a_line_that_is_no_answer_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text('{"prompt": "x", "answer": "y"}\n' + line)
    with pytest.raises(ValueError, match=r"answers\.jsonl, line 2"):
        open_client("recorded", answers_path=path)


def test_a_kind_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="Use one of openai, mistral, recorded"):
        open_client("oracle")
