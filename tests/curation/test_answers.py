"""What an answer is worth: whole or half, a refusal, or nothing to see."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.answers import HALVES, half_reason, is_blank, sounds_like_refusal
from curation.chat import Answer

REFUSALS = [
    "I'm sorry, but I can't help with that.",
    "I\u2019m sorry, but I can\u2019t assist with that request.",
    "Sorry, I cannot provide that information.",
    "I cannot fulfil this request.",
    "I can't help with creating this content.",
    "As an AI language model, I cannot have opinions.",
    "I'm really sorry, but as an AI assistant, I am unable to continue.",
    "I must decline to write this.",
    "I apologize, but I will not answer that question.",
    "Unfortunately, I am not able to provide medical advice.",
    "Es tut mir leid, aber ich kann dabei nicht helfen.",
    "Désolé, mais je ne peux pas vous aider.",
    "Lo siento, pero no puedo ayudar con eso.",
    "Mi dispiace, ma non posso aiutarti.",
]
ANSWERS = [
    "I can't stand rain, said the farmer.",
    "I cannot find my keys anywhere; they were on the table.",
    "I'm sorry for your loss. Here is a letter that you can send.",
    "Sorry to hear that! Restart the router first.",
    "I won't be at the office on Friday.",
    "Unfortunately, the train was late.",
    "As an AI researcher, she wrote three books.",
    "You could say: I'm sorry, but I can't help with that.",
    "The model refused with the words “I cannot assist with that”.",
    "I must go down to the seas again.",
    "Leider war das Wetter schlecht.",
    "Lo siento mucho. El tren llega a las ocho.",
    "",
]


@pytest.mark.parametrize(
    "told", ["length", "model_length", "content_filter", "error", "abort", "tool_calls", "", "eos"]
)
def test_only_stop_is_a_whole_answer(told: str) -> None:
    answer = Answer("Half an ans", finish_reason=told)
    assert not answer.is_whole
    assert answer.half_reason.endswith(".")
    assert Answer("All of it.").is_whole
    assert Answer("All of it.").half_reason == ""


def test_each_way_to_be_half_has_its_sentence() -> None:
    assert len({half_reason(told) for told in HALVES} | {half_reason("eos")}) == len(set(HALVES.values())) + 1
    assert "“eos”" in half_reason("eos")


@given(st.text(st.sampled_from(" \t\n\u00a0\u200b\u200c\u200d\u2060\ufeff\u00ad\u3164\u2800\x00")))
def test_what_cannot_be_seen_is_blank(text: str) -> None:
    assert is_blank(text)
    assert not is_blank(text + "a")
    assert not is_blank("é" + text)


@pytest.mark.parametrize("text", REFUSALS)
def test_a_fluent_refusal_is_one(text: str) -> None:
    assert sounds_like_refusal(text)
    assert Answer(text).is_refusal


@pytest.mark.parametrize("text", ANSWERS)
def test_an_answer_with_such_words_is_no_refusal(text: str) -> None:
    assert not sounds_like_refusal(text)
    assert Answer(text, refusal="No.").is_refusal
