"""Token counts of conversations, by the student's own tokenizer where it lies on this machine."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings

from curation import token_pieces
from curation.chat import count_words, text_of

STUDENT = "smollm2-135m-instruct"
ESTIMATE = "estimate"
TOKENS_A_WORD = 1.4  # English and its punctuation, in vocabularies of 30,000 to 130,000
MARKS = 5  # of the chat template around each message: begin, role, line end, end, line end


def tokenizer_file() -> Path | None:
    """tokenizer.json of the student, else of the first model on this machine that has one."""
    folder = Path(settings.MODELS_DIR)
    named = folder / STUDENT / "tokenizer.json"
    return named if named.is_file() else next(iter(sorted(folder.glob("*/tokenizer.json"))), None)


class Counter:
    """Adds up prompt and answer tokens of each split, and remembers the longest conversation."""

    def __init__(self, path: Path | None) -> None:
        tokenizer = _load(path)
        self._count = _counting(tokenizer)
        self.name = path.parent.name if path and tokenizer else ESTIMATE
        self.mark = _mark(path.read_bytes() if path and tokenizer else b"")
        self._splits: dict[str, dict[str, Any]] = {}

    @classmethod
    def of_student(cls) -> "Counter":
        return cls(tokenizer_file())

    def count(self, texts: list[str]) -> list[int]:
        """Tokens of each text, without any marks."""
        return self._count(texts)

    def add(self, conversations: list[tuple[str, list[dict[str, Any]]]]) -> None:
        """Count a batch of (split, messages)."""
        texts = [written(message) for _, messages in conversations for message in messages]
        counts = iter(self.count(texts))
        for split, messages in conversations:
            sums = {"prompt": 0, "answer": 0}
            for message in messages:
                sums["answer" if message.get("role") == "assistant" else "prompt"] += next(counts) + MARKS
            self.add_counted(split, sum(sums.values()), sums["answer"])

    def add_counted(self, split: str, tokens: int, answer: int) -> None:
        """A conversation that was counted before, by the tokenizer of the same mark; `answer` is part of `tokens`."""
        row = self._splits.setdefault(split, {"prompt": 0, "answer": 0, "longest": 0, "tokenizer": self.name})
        row["prompt"] += tokens - answer
        row["answer"] += answer
        row["longest"] = max(row["longest"], tokens)

    def table(self) -> dict[str, dict[str, Any]]:
        """split -> {"prompt", "answer", "longest", "tokenizer"}."""
        return self._splits


def _counting(tokenizer: Any) -> Callable[[list[str]], list[int]]:
    """The quickest way to count that gives what the tokenizer would."""
    if tokenizer is None:
        return lambda texts: [round(count_words(text) * TOKENS_A_WORD) for text in texts]
    if token_pieces.fits(tokenizer):
        return token_pieces.Pieces(tokenizer).count
    return lambda texts: [len(found.ids) for found in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]


def _mark(tokenizer: bytes) -> int:
    """31 bits that tell counts by this tokenizer and these marks around messages from counts by any other."""
    found = hashlib.sha256(b"%d %r " % (MARKS, 0.0 if tokenizer else TOKENS_A_WORD) + tokenizer)
    return int.from_bytes(found.digest()[:4], "big") >> 1


def _load(path: Path | None) -> Any:
    if path is None:
        return None
    try:
        from tokenizers import Tokenizer  # no torch: a Rust library, there where models are
    except ImportError:
        return None
    return Tokenizer.from_file(str(path))


def written(message: dict[str, Any]) -> str:
    """What is tokenised of a message: its text, and its calls as JSON."""
    calls = message.get("tool_calls")
    return text_of(message) + (json.dumps(calls, ensure_ascii=False) if calls else "")
