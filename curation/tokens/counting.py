"""Token counts of conversations, by the tokenizer of the project's base if it is installed on this machine."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings

from curation.chat import count_words, text_of
from curation.tokens import pieces

STUDENT = "smollm2-135m-instruct"
TEKKEN = "tekken.json"
ESTIMATE = "estimate"
TOKENS_A_WORD = 1.4  # English and its punctuation, in vocabularies of 30,000 to 130,000
MARKS = 5  # of the chat template around each message: begin, role, line end, end, line end


def tokenizer_file(base: str = "") -> Path | None:
    """Return the tokenizer file of a base on this machine, its tekken.json if it has no tokenizer.json; None without one.

    Without a base it is the student's, else that of the first model on this machine that has one.
    """
    folder = Path(settings.MODELS_DIR)
    files = [folder / (base or STUDENT) / name for name in ("tokenizer.json", TEKKEN)]
    found = next((path for path in files if path.is_file()), None)
    # Another model's counts would be no counts of this base.
    return found if found or base else next(iter(sorted(folder.glob("*/tokenizer.json"))), None)


class TokenCounter:
    """Adds up prompt and answer tokens of each split, and remembers the longest conversation."""

    def __init__(self, path: Path | None) -> None:
        tokenizer = _load(path)
        self._count = _counting(tokenizer)
        self.name = path.parent.name if path and tokenizer else ESTIMATE
        self.mark = _mark(path.read_bytes() if path and tokenizer else b"")
        self._splits: dict[str, dict[str, Any]] = {}

    @classmethod
    def of_base(cls, base: str = "") -> "TokenCounter":
        """Return a counter by a base's tokenizer, the student's if none is named."""
        return cls(tokenizer_file(base))

    def count(self, texts: list[str]) -> list[int]:
        """Count the tokens of each text, without special tokens."""
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
        """Add a conversation that was counted before, by the tokenizer of the same mark; `answer` is part of `tokens`."""
        row = self._splits.setdefault(split, {"prompt": 0, "answer": 0, "longest": 0, "tokenizer": self.name})
        row["prompt"] += tokens - answer
        row["answer"] += answer
        row["longest"] = max(row["longest"], tokens)

    def table(self) -> dict[str, dict[str, Any]]:
        """Return split -> {"prompt", "answer", "longest", "tokenizer"}."""
        return self._splits


def _counting(tokenizer: Any) -> Callable[[list[str]], list[int]]:
    """Return the quickest way to count that gives the same as the tokenizer."""
    if tokenizer is None:
        return lambda texts: [round(count_words(text) * TOKENS_A_WORD) for text in texts]
    if isinstance(tokenizer, _Tekken):
        return tokenizer.count
    if pieces.fits(tokenizer):
        return pieces.PieceCounter(tokenizer).count
    return lambda texts: [len(found.ids) for found in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]


class _Tekken:
    """Mistral's own tokenizer, for bases that come with no other."""

    def __init__(self, path: Path) -> None:
        from mistral_common.tokens.tokenizers.tekken import Tekkenizer  # a second to load, and few projects need it

        self._tokenizer = Tekkenizer.from_file(str(path))

    def count(self, texts: list[str]) -> list[int]:
        return [len(self._tokenizer.encode(text, bos=False, eos=False)) for text in texts]


def _mark(tokenizer: bytes) -> int:
    """Return 31 bits that distinguish counts by this tokenizer and these chat-template tokens from all others."""
    found = hashlib.sha256(b"%d %r " % (MARKS, 0.0 if tokenizer else TOKENS_A_WORD) + tokenizer)
    return int.from_bytes(found.digest()[:4], "big") >> 1


def _load(path: Path | None) -> Any:
    if path is None:
        return None
    if path.name == TEKKEN:
        return _Tekken(path)
    try:
        from tokenizers import Tokenizer  # no torch: a Rust library, there where models are
    except ImportError:
        return None
    return Tokenizer.from_file(str(path))


def written(message: dict[str, Any]) -> str:
    """Return the text of a message that is tokenised: its content, and its calls as JSON."""
    calls = message.get("tool_calls")
    return text_of(message) + (json.dumps(calls, ensure_ascii=False) if calls else "")
