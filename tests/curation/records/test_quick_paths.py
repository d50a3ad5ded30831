"""What is done a quicker way for most rows gives what the slow way gives."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from curation.chat import count_words
from curation.checks import conversation
from curation.formats import Draft
from curation.records import derived
from curation.tokens import pieces as token_pieces

BLANKS = " \t\n\r\x0b\x0c\x1c\x1f\x85\xa0\u1680\u2003\u2028\u3000"
TEXTS = st.text(st.sampled_from(BLANKS + "aé’中\x00\ud800"), max_size=12)
ROLES = st.sampled_from(["system", "user", "assistant", "tool", "function", "narrator", 1, None])
CONTENTS = st.one_of(TEXTS, st.just("Good day."), st.none(), st.integers(), st.just([{"type": "text", "text": "Hi"}]))
MESSAGES = st.one_of(
    st.fixed_dictionaries({"role": ROLES, "content": CONTENTS}),
    st.fixed_dictionaries({"role": ROLES}, optional={"content": CONTENTS, "weight": st.integers(0, 2)}),
    st.text(max_size=2),
)
TURNS = st.lists(st.text("ab .", min_size=1, max_size=5), max_size=6)


@given(st.lists(MESSAGES, max_size=5))
def test_a_conversation_seen_quickly_has_the_problems_that_a_close_look_finds(messages: list[object]) -> None:
    assert conversation.check(messages) == conversation._check_closely(messages, None, "nine")


@given(TURNS, st.booleans())
def test_so_has_one_of_plain_turns(texts: list[str], with_system: bool) -> None:
    messages = [{"role": "system", "content": "Be kind."}] if with_system else []
    messages += [{"role": "assistant" if at % 2 else "user", "content": text} for at, text in enumerate(texts)]
    assert conversation.check(messages) == conversation._check_closely(messages, None, "nine")


def test_a_good_conversation_is_seen_to_be_good_at_once() -> None:
    turns = [{"role": role, "content": "Grüezi, ’tis 中文."} for role in ("system", "user", "assistant")]
    assert conversation._is_good(turns)
    assert not conversation._is_good(turns[:2])


@given(TEXTS)
def test_words_are_counted_as_they_are_split(text: str) -> None:
    assert count_words(text) == len(text.split())


@given(st.text(st.sampled_from("ab \n"), max_size=60), st.integers(1, 60))
def test_a_preview_is_of_the_first_words(piece: str, times: int) -> None:
    draft = Draft("documents", {"text": piece * times})
    whole = " ".join((piece * times)[: 4 * derived.PREVIEW].split())
    assert derived.preview(draft) == whole[: derived.PREVIEW]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """Return a small tokenizer that cuts as the student's does, with tokens for several blanks and for words with a space."""
    made = Tokenizer(models.BPE())
    digits, letters = pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.pre_tokenizer = pre_tokenizers.Sequence([digits, letters])
    trainer = trainers.BpeTrainer(vocab_size=420, special_tokens=["<|end|>"], show_progress=False)
    made.train_from_iterator(["the  cat's   mat\n\n the 12 cats, we'll  see\n \n the\t\tend " * 9], trainer)
    return made


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.text(st.sampled_from(" \n\t.,'s’é12te\x85\u3000"), max_size=24), max_size=4))
def test_tokens_of_pieces_are_those_of_the_text(tokenizer: Tokenizer, texts: list[str]) -> None:
    texts += ["the  cat's   mat", "the <|end|>cats ", " ", "", "we'll \n\n the 1 2"]
    whole = [len(found.ids) for found in tokenizer.encode_batch(texts, add_special_tokens=False)]
    pieces = token_pieces.PieceCounter(tokenizer)
    assert pieces.count(texts) == whole
    assert pieces.count(texts) == whole


def test_a_tokenizer_that_changes_texts_first_is_asked_itself(tokenizer: Tokenizer) -> None:
    assert token_pieces.fits(tokenizer)
    other = Tokenizer.from_str(tokenizer.to_str())
    other.normalizer = normalizers.Lowercase()
    assert not token_pieces.fits(other)
    other = Tokenizer.from_str(tokenizer.to_str())
    other.pre_tokenizer = pre_tokenizers.Metaspace()
    assert not token_pieces.fits(other)


def test_forgetting_pieces_changes_no_count(tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_pieces, "MOST", 1)
    pieces = token_pieces.PieceCounter(tokenizer)
    assert pieces.count(["the cat", "the mat"]) == pieces.count(["the cat", "the mat"])
    assert len(pieces._known) == 2
