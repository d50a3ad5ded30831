"""Columns become messages: whatever form a question, an answer or a picture has, it arrives as itself or is refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.chat import Message
from curation.checks.dumps import dumped
from curation.checks.record import check
from curation.formats import Draft, Mapping, MappingError, RowError, suggest

USER = {"role": "user", "content": "Name a bird."}
ASSISTANT = {"role": "assistant", "content": "The wren."}
OTHER = {"role": "assistant", "content": "Birds sleep."}
SYSTEM = {"role": "system", "content": "Be brief."}


def applied(row: dict[str, Any], kind: str | None = None) -> Draft:
    mapping, _ = suggest(list(row), [row], kind)
    mapping.validate()
    assert Mapping.from_json(json.loads(json.dumps(mapping.to_json(), sort_keys=True))) == mapping
    return mapping.apply(row)


def as_cell(value: Any) -> Any:
    """Return the value as a cell of a table has it."""
    return value if isinstance(value, str) else json.dumps(value)


# --- a dict or a list in a question or an answer --------------------------------------------------

ANSWERS: dict[str, Any] = {
    "ShareGPT's turn": {"from": "gpt", "value": "The wren."},
    "a turn in capital letters": {"from": "GPT", "value": "The wren."},
    "a message": {"role": "assistant", "content": "The wren."},
    "a model's message": {"role": "model", "content": "The wren."},
    "a list of one turn": [{"from": "gpt", "value": "The wren."}],
    "an envelope": {"messages": [{"role": "assistant", "content": "The wren."}]},
    "an envelope of ShareGPT": {"conversations": [{"from": "gpt", "value": "The wren."}]},
    "lists side by side": {"role": ["assistant"], "content": ["The wren."]},
    "a list in a list": [[{"role": "assistant", "content": "The wren."}]],
    "a list of one text": ["The wren."],
    "an object with one text": {"text": "The wren."},
    "the same text twice": ["The wren.", "The wren."],
    "SQuAD's answers": {"text": ["The wren."], "answer_start": [4]},
    "SQuAD's answers of three people": {"text": ["The wren."] * 3, "answer_start": [4, 4, 4]},
    "TriviaQA's answer": {"value": "The wren.", "aliases": ["Wren", "A wren"], "type": "WikipediaEntity"},
}


@pytest.mark.parametrize("name", ["answer", "output", "Response"])
@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_an_answer_is_understood_in_every_form(answer: Any, name: str) -> None:
    assert applied({"question": "Name a bird.", name: answer}).messages == [USER, ASSISTANT]


TURNS = [
    name
    for name, value in ANSWERS.items()
    if "turn" in name or "message" in name or "envelope" in name or "side" in name or "SQuAD" in name
]


@pytest.mark.parametrize("name", TURNS)
def test_an_answer_as_json_in_a_table_is_understood_and_told(name: str) -> None:
    draft = applied({"question": "Name a bird.", "answer": as_cell(ANSWERS[name])})
    assert draft.messages == [USER, ASSISTANT]
    assert draft.notes


QUESTIONS: dict[str, Any] = {
    "ShareGPT's turn": {"from": "human", "value": "Name a bird."},
    "a list of messages": [USER],
    "with a system message": [SYSTEM, USER],
    "an envelope": {"messages": [USER], "temperature": 1},
    "an envelope with its system": {"system": "Be brief.", "messages": [USER]},
    "parts": [{"type": "text", "text": "Name a bird."}],
    "a list of one text": ["Name a bird."],
    "lists side by side": {"from": ["human"], "value": ["Name a bird."]},
    "a speaker": {"speaker": "User", "text": "Name a bird."},
    "messages as JSON texts": [json.dumps(USER)],
}  # fmt: skip


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_a_question_is_understood_in_every_form(question: Any) -> None:
    messages = applied({"prompt": question, "completion": "The wren."}).messages
    said = [message["content"] for message in messages]
    assert said[-2:] in (["Name a bird.", "The wren."], [[{"type": "text", "text": "Name a bird."}], "The wren."])
    assert [message["role"] for message in messages if message["role"] != "system"] == ["user", "assistant"]


REFUSED: dict[str, tuple[Any, str]] = {
    "a pair of texts": (["The wren sings.", "Dunno."], "pair of outputs"),
    "a pair of turns": ([{"from": "gpt", "value": "a"}, {"from": "gpt", "value": "b"}], "pair of outputs"),
    "a pair by name": ({"chosen": "The wren.", "rejected": "Dunno."}, "pair of outputs"),
    "several answers": (["one", "two", "three"], "lists 3 answers"),
    "a translation": ({"en": "wren", "fr": "troglodyte"}, "“en”, “fr”"),
    "a crew": ([{"name": "Ada", "role": "engineer"}, {"name": "Bo", "role": "cook"}], "objects with “name”"),
    "numbers": ([1, 2, 3], "list of 3"),
    "lists": ([["a", "b"], ["c"]], "lists"),
    "an object of objects": ({"a": {"b": 1}}, "“a”"),
    "a whole talk about something else": ([SYSTEM, {"role": "user", "content": "Else?"}, ASSISTANT], "whole conversation"),
}  # fmt: skip


@pytest.mark.parametrize(("answer", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_answer_is_refused_with_the_reason_and_never_dumped(answer: Any, words: str) -> None:
    mapping = Mapping(roles={"question": "user", "answer": "assistant"})
    try:
        messages = mapping.apply({"question": "Name a bird.", "answer": answer}).messages
    except RowError as error:
        assert words in error.problem.message  # noqa: PT017 - either way is right, but not a dump
    else:
        assert not words
        assert not any(dumped(str(message["content"])) for message in messages)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab {}[]\"'", max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["role", "from", "value", "content", "text", "messages", "a"]), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(VALUES, st.sampled_from(["user", "assistant", "system"]))
def test_nothing_is_ever_dumped_into_a_mouth(value: Any, role: str) -> None:
    roles = {"q": "user", "x": role}
    try:
        messages = Mapping(roles=roles).apply({"q": "Hello there", "x": value}).messages
    except RowError:
        return
    if isinstance(value, dict | list):
        assert json.dumps(value) not in [message.get("content") for message in messages]
        assert not any(str(message.get("content")).startswith(("{", "[{")) for message in messages if isinstance(message.get("content"), str) and message["content"] not in json.dumps(value))  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        '[{"name": "Ada", "role": "engineer"}, {"name": "Bo", "role": "cook"}]',
        '{"role": "admin", "content": "all pages"}',
        '[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]',
        '{"crew": [{"name": "Di", "role": "mate"}]}',
        '[{"role": "owner"}]',
        '{"from": "Rome", "value": 3}',
        '{"from": "Oslo", "value": "12 kr"}',
        '["red", "blue"]',
        '{"role": null, "content": null}',
        '[{"role": "pilot", "content": "flies"}',
        "[]",
        "{}",
        '"text"',
        '{"messages": [{"role": "nurse", "content": "x"}]}',
    ],
)
def test_data_with_a_key_role_stays_text(text: str) -> None:
    messages = applied({"prompt": "Write it as JSON.", "completion": text}).messages
    assert messages[1] == {"role": "assistant", "content": text}


@pytest.mark.parametrize(
    "crew",
    [
        [{"name": "Ada", "role": "engineer"}],
        [{"role": "cook", "content": "soup"}],
        [{"role": 3}],
        {"role": ["a"], "n": [1]},
    ],
)
def test_a_column_with_a_key_role_is_no_conversation(crew: Any) -> None:
    for value in (crew, json.dumps(crew)):
        row = {"text": "The Heron sails on Monday with her whole crew.", "crew": value}
        mapping, _ = suggest(list(row), [row])
        assert (mapping.kind, mapping.metadata) == ("documents", ["crew"])


@pytest.mark.parametrize(
    ("said", "what"),
    [
        (["Deep blue 0.", "Dunno."], "a pair of outputs"),
        (["It sings at night", "birds sleep all the night"], "a pair of outputs"),
        (["New York", "San Jose"], ""),
        (["red", "blue"], ""),
        (["Yes.", "No."], ""),
        ({"from": "gpt", "value": "x"}, "a turn of a conversation"),
        ([{"role": "assistant", "content": "x"}], "a list of turns"),
        ({"messages": [{"role": "user", "content": "x"}]}, "a conversation"),
        ({"role": "engineer", "content": "x"}, ""),
        ([{"name": "Ada", "role": "engineer"}], ""),
    ],
)
def test_what_came_in_as_a_dump_before_is_found(said: Any, what: str) -> None:
    assert dumped(json.dumps(said)) == what


def test_a_template_makes_any_text_stay_text() -> None:
    talk = '[{"role": "assistant", "content": "Hi"}]'
    mapping = Mapping(roles={"q": "user", "a": "assistant"}, templates={"a": "{a}"})
    assert mapping.apply({"q": "Say hi as JSON", "a": talk}).messages[1]["content"] == talk


@pytest.mark.parametrize("name", ["answers", "targets", "Answers"])
def test_answers_of_which_each_is_right_are_no_pair(name: str) -> None:
    draft = applied({"question": "Name a bird.", name: ["The wren.", "A wren it is."]})
    assert (draft.kind, draft.messages) == ("conversations", [USER, ASSISTANT])
    assert "several answers" in draft.notes[0]
    several = [{"question": "Who?", "answer": ["Ada", "Ada L."]}, {"question": "Who?", "answer": "Bo"}]
    assert suggest(list(several[0]), several)[0].kind == "conversations"


# --- which column is what -------------------------------------------------------------------------

COMBINATIONS: dict[str, tuple[dict[str, str], str, str]] = {
    "instruction, input, response": ({"instruction": "Do", "input": "this", "response": "done"}, "Do\n\nthis", "done"),
    "the file's other order": ({"input": "this", "response": "done", "instruction": "Do"}, "Do\n\nthis", "done"),
    "instruction, context, response": ({"instruction": "Do", "context": "it", "response": "x"}, "Do\n\nit", "x"),
    "question, context, answer": ({"question": "Who?", "context": "Ada came.", "answer": "Ada"}, "Ada came.\n\nWho?", "Ada"),
    "capital letters": ({"Instruction": "Do", "Input": "this", "Output": "done"}, "Do\n\nthis", "done"),
    "all capital": ({"QUESTION": "Who?", "ANSWER": "Ada"}, "Who?", "Ada"),
    "query and passage": ({"query": "Who?", "passage": "Ada came.", "response": "Ada"}, "Ada came.\n\nWho?", "Ada"),
    "article and highlights": ({"article": "Long news.", "highlights": "News."}, "Long news.", "News."),
    "document and summary": ({"document": "Long news.", "summary": "News."}, "Long news.", "News."),
    "dialogue and summary": ({"dialogue": "A: hi\nB: ho", "summary": "They greet."}, "A: hi\nB: ho", "They greet."),
    "text and summary": ({"text": "Long news.", "summary": "News."}, "Long news.", "News."),
    "an empty input": ({"instruction": "Do", "input": " ", "response": "done"}, "Do", "done"),
    "prompt, input, output": ({"prompt": "Do", "input": "this", "output": "done"}, "Do\n\nthis", "done"),
    "camel case": ({"userPrompt": "Do", "modelAnswer": "done"}, "Do", "done"),
    "SQuAD": ({"title": "T", "context": "Ada came.", "question": "Who?", "answers": {"text": ["Ada"], "answer_start": [0]}}, "Ada came.\n\nWho?", "Ada"),
}  # fmt: skip


@pytest.mark.parametrize(("row", "asked", "answered"), COMBINATIONS.values(), ids=COMBINATIONS)
def test_usual_columns_become_the_question_and_the_answer(row: dict[str, Any], asked: str, answered: str) -> None:
    messages = applied(row).messages
    assert [(message["role"], message["content"]) for message in messages] == [("user", asked), ("assistant", answered)]


HISTORIES: list[Any] = [
    [["Hi", "Hello"]], json.dumps([["Hi", "Hello"]]), [{"user": "Hi", "assistant": "Hello"}],
    [{"question": "Hi", "answer": "Hello"}], [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}],
    [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}], {"from": ["human", "gpt"], "value": ["Hi", "Hello"]},
    [{"human": "Hi", "gpt": "Hello"}], [{"prompt": "Hi", "response": "Hello"}], [["Hi", "Hello"]] * 2,
]  # fmt: skip


@pytest.mark.parametrize("past", HISTORIES)
@pytest.mark.parametrize("style", [{"instruction": "Go on", "output": "Yes"}, {"query": "Go on", "response": "Yes"}])
def test_a_history_becomes_the_earlier_turns(past: Any, style: dict[str, str]) -> None:
    said = [(message["role"], message["content"]) for message in applied(style | {"history": past}).messages]
    assert said[:2] == [("user", "Hi"), ("assistant", "Hello")]
    assert said[-2:] == [("user", "Go on"), ("assistant", "Yes")]


@pytest.mark.parametrize("past", [["Hi", "Hello"], [["Hi"]], "Hi there", [[1, 2]], {"a": 1}, [None], [["a", "b", "c"]]])
def test_a_history_of_another_form_is_refused(past: Any) -> None:
    with pytest.raises(RowError, match="pairs of a question and an answer"):
        applied({"query": "Go on", "response": "Yes", "history": past})


def test_what_is_left_over_is_named() -> None:
    row = {"question": "Who?", "answer": "Ada", "mood": "glad", "n": 1}
    mapping, why = suggest(list(row), [row])
    assert "“mood”, “n”: imported as metadata" in why
    assert mapping.leftovers(list(row)) == ["Imported as metadata, beside the messages: “mood”, “n”."]
    mapping.metadata = ["n"]
    assert mapping.leftovers(list(row))[1] == "Not imported: “mood”."


def test_two_columns_of_which_one_is_short_are_offered_as_a_conversation() -> None:
    rows = [{"id": str(n), "report": f"A long report about the matter {n} " * 4, "verdict": "good"} for n in range(4)]
    mapping, why = suggest(list(rows[0]), rows, "conversations")
    assert mapping.roles == {"report": "user", "verdict": "assistant"}
    assert "short one is used as the answer" in why
    assert "could also be conversations, with “report” as the question" in suggest(list(rows[0]), rows)[1]


# --- other speakers -------------------------------------------------------------------------------

SPEAKERS = {
    "user": ["human", "Human", "USER", "user", " human ", "prompter"],
    "assistant": ["gpt", "Assistant", "chatgpt", "model", "GPT", "ai", "bard", "bing"],
    "system": ["System", "developer"],
}


@pytest.mark.parametrize(("role", "speaker"), [(role, name) for role, names in SPEAKERS.items() for name in names])
def test_every_name_of_a_speaker_is_understood(role: str, speaker: str) -> None:
    turns = [{"from": speaker, "value": "x"}, {"from": "human", "value": "y"}]
    assert applied({"conversations": turns}).messages[0] == {"role": role, "content": "x"}


@pytest.mark.parametrize("call", ["function_call", "tool_call", "tool-call", "Tool Call", "function-call"])
@pytest.mark.parametrize(
    "result", ["observation", "tool_response", "tool-response", "function_response", "tool", "ipython"]
)
def test_calls_and_results_are_joined_under_any_name(call: str, result: str) -> None:
    turns = [
        {"from": "human", "value": "What time is it?"}, {"from": "gpt", "value": "Let me look."},
        {"from": call, "value": '{"name": "clock", "arguments": {}}'}, {"from": call, "value": '{"name": "date", "parameters": {"a": 1}}'},
        {"from": result, "value": "10:05"}, {"from": result, "value": "Monday"}, {"from": "gpt", "value": "Five past ten on Monday."},
    ]  # fmt: skip
    draft = applied({"conversations": turns})
    assert [message["role"] for message in draft.messages] == ["user", "assistant", "tool", "tool", "assistant"]
    assert check(draft) == []


@pytest.mark.parametrize("speaker", ["narrator", "", None, 3, "customer"])
def test_an_unknown_speaker_is_named(speaker: Any) -> None:
    mapping = Mapping(style="sharegpt", messages="c")
    with pytest.raises(RowError, match=r"is from|must be an object|unknown"):
        mapping.apply({"c": [{"from": "human", "value": "x"}, {"from": speaker, "value": "y"}]})


@pytest.mark.parametrize(
    "turns",
    [
        [{"human": "x", "assistant": "y"}],
        [{"user": "x"}, {"gpt": "y"}],
        [{"Human": "x"}, {"Assistant": "y"}],
        json.dumps([{"user": "x", "model": "y"}]),
    ],
)
def test_turns_whose_keys_are_the_speakers_are_understood(turns: Any) -> None:
    assert applied({"conversation": turns}).messages == [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": "y"},
    ]


# --- preferences ----------------------------------------------------------------------------------


def forms(talk: list[Message], good: Message, bad: Message) -> dict[str, dict[str, Any]]:
    """Return one preference in every usual form; the talk may begin with a system message."""
    system = talk[0]["content"] if talk[0]["role"] == "system" else ""
    said = talk[1:] if system else talk
    last = talk[-1:]
    found: dict[str, dict[str, Any]] = {
        "messages beside the prompt": {"prompt": said[0]["content"], "messages": [*talk, good], "chosen": [*talk, good], "rejected": [*talk, bad]},
        "whole talks": {"chosen": [*talk, good], "rejected": [*talk, bad]},
        "a prompt of messages": {"prompt": talk, "chosen": [good], "rejected": [bad]},
        "a prompt and texts": {"prompt": talk, "chosen": good["content"], "rejected": bad["content"]},
        "single messages": {"prompt": talk, "chosen": good, "rejected": bad},
        "the prompt before whole talks": {"prompt": talk, "chosen": [*talk, good], "rejected": [*talk, bad]},
        "the last turns": {"prompt": talk, "chosen": [*last, good], "rejected": [*last, bad]},
        "ShareGPT": {"conversations": [turned(each) for each in talk], "chosen": turned(good), "rejected": turned(bad)},
        "OpenAI": {"input": {"messages": talk}, "preferred_output": [good], "non_preferred_output": [bad]},
        "the answer in the prompt": {"messages": [*talk, good], "chosen": good["content"], "rejected": bad["content"]},
        "a pair": {"prompt": talk, "output": [good, bad]},
        "a pair of texts": {"prompt": talk, "output": [good["content"], bad["content"]]},
        "a pair by name": {"prompt": talk, "response": {"chosen": good["content"], "rejected": bad["content"]}},
    }  # fmt: skip
    if len(said) > 1:
        found["earlier turns"] = {"prompt": talk[:-1], "chosen": [*last, good], "rejected": [*last, bad]}
    if system:
        found["a system column"] = {"system": system, "prompt": said, "chosen": [good], "rejected": [bad]}
        found["system in the answers"] = {"prompt": said, "chosen": [*talk, good], "rejected": [*talk, bad]}
        found["system in the prompt"] = {"prompt": talk, "chosen": [*said, good], "rejected": [*said, bad]}
    return found


def turned(message: Message) -> dict[str, Any]:
    return {
        "from": {"user": "human", "assistant": "gpt"}.get(message["role"], message["role"]),
        "value": message["content"],
    }


WORDS = st.text("abcdefgh ", min_size=3, max_size=12).filter(lambda text: text == text.strip())


@st.composite
def preferences(draw: st.DrawFn) -> tuple[list[Message], Message, Message]:
    texts = iter(draw(st.lists(WORDS, min_size=8, max_size=8, unique_by=str.strip)))
    talk: list[Message] = [SYSTEM] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(0, 2))):
        talk += [{"role": "user", "content": next(texts)}, {"role": "assistant", "content": next(texts)}]
    talk.append({"role": "user", "content": next(texts)})
    good, bad = ({"role": "assistant", "content": f"{next(texts)} {word}."} for word in ("yes", "no"))
    return talk, good, bad


@given(preferences(), st.booleans())
def test_every_form_of_a_preference_gives_the_same_record(
    given: tuple[list[Message], Message, Message], table: bool
) -> None:
    talk, good, bad = given
    for name, row in forms(talk, good, bad).items():
        draft = applied({key: as_cell(value) for key, value in row.items()} if table else row)
        assert (draft.kind, draft.messages, draft.chosen, draft.rejected) == ("preferences", talk, [good], [bad]), name


def test_a_talk_written_as_text_is_parted_and_told() -> None:
    row = {
        "chosen": "\n\nHuman: Name a bird.\n\nAssistant: The wren.",
        "rejected": "\n\nHuman: Name a bird.\n\nAssistant: Birds sleep.",
    }
    draft = applied(row)
    assert (draft.messages, draft.chosen, draft.rejected) == ([USER], [ASSISTANT], [OTHER])
    assert "split at the speakers' names" in draft.notes[0]
    texts = {"prompt": "\n\nHuman: Name a bird.\n\nAssistant:", "chosen": "The wren.", "rejected": "Birds sleep."}
    assert applied(texts).messages == [USER]


def test_a_third_answer_in_the_prompt_is_left_out_and_told() -> None:
    third = {"role": "assistant", "content": "A crow."}
    draft = applied({"messages": [USER, third], "chosen": "The wren.", "rejected": "Birds sleep."})
    assert draft.messages == [USER]
    assert "an answer of its own" in draft.notes[0]


def test_an_instruction_with_its_input_is_the_prompt_of_a_preference() -> None:
    row = {"instruction": "Name", "input": "a bird", "chosen": "The wren.", "rejected": "Birds sleep."}
    assert applied(row).messages == [{"role": "user", "content": "Name\n\na bird"}]


APART: list[dict[str, Any]] = [
    {"chosen": [USER, ASSISTANT], "rejected": [{"role": "user", "content": "Else?"}, OTHER]},
    {"prompt": "Another question", "chosen": [USER, ASSISTANT], "rejected": [USER, OTHER]},
    {"chosen": [USER], "rejected": [USER]},
    {"prompt": "x", "output": ["one", "two", "three"]},
]


@pytest.mark.parametrize("row", APART[:3])
def test_answers_to_different_conversations_are_refused(row: dict[str, Any]) -> None:
    with pytest.raises(RowError, match=r"one conversation|different prompts"):
        applied(row)


# --- pictures -------------------------------------------------------------------------------------


def picture(address: str) -> dict[str, str]:
    return {"type": "image_url", "image_url": address}


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


PLACES: dict[str, tuple[Any, str, list[dict[str, str]]]] = {
    "a mark before the text": (["a.png"], "<image>What is it?", [picture("a.png"), text("What is it?")]),
    "a mark on a line of its own": (["a.png"], "<image>\nWhat is it?", [picture("a.png"), text("What is it?")]),
    "a mark at the end": (["a.png"], "What is it? <image>", [text("What is it? "), picture("a.png")]),
    "two marks": (["a.png", "b.png"], "Is <image> like <image>?", [text("Is "), picture("a.png"), text(" like "), picture("b.png"), text("?")]),
    "no mark": (["a.png"], "What is it?", [picture("a.png"), text("What is it?")]),
    "one address": ("https://x.example/a.png", "<image>What?", [picture("https://x.example/a.png"), text("What?")]),
    "an object": ({"path": "a.png", "bytes": None}, "<image>What?", [picture("a.png"), text("What?")]),
    "objects with an address": ([{"url": "https://x.example/a"}], "What?", [picture("https://x.example/a"), text("What?")]),
    "a list as JSON": ('["a.png"]', "<image>What?", [picture("a.png"), text("What?")]),
    "bytes": ("iVBORw0KGgo" + "A" * 80, "<image>What?", [picture("data:image/png;base64,iVBORw0KGgo" + "A" * 80), text("What?")]),
    "another mark": (["a.png"], "[IMG]What?", [picture("a.png"), text("What?")]),
    "a numbered mark": (["a.png"], "<image_1>What?", [picture("a.png"), text("What?")]),
}  # fmt: skip


@pytest.mark.parametrize(("value", "asked", "parts"), PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("form", ["messages", "conversations", "question", "prompt"])
def test_pictures_take_their_places(value: Any, asked: str, parts: list[dict[str, str]], form: str) -> None:
    rows = {
        "messages": {"messages": [{"role": "user", "content": asked}, ASSISTANT], "images": value},
        "conversations": {"conversations": [{"from": "human", "value": asked}, {"from": "gpt", "value": "The wren."}], "image": value},
        "question": {"question": asked, "answer": "The wren.", "image": value},
        "prompt": {"prompt": asked, "chosen": "The wren.", "rejected": "No.", "images": value},
    }  # fmt: skip
    assert applied(rows[form]).messages[0] == {"role": "user", "content": parts}


def test_marks_in_several_turns_are_filled_in_order() -> None:
    talk = [
        {"role": "user", "content": "<image>One?"},
        ASSISTANT,
        {"role": "user", "content": "<image>Two?"},
        ASSISTANT,
    ]
    messages = applied({"messages": talk, "images": ["a.png", "b.png"]}).messages
    assert [message["content"][0]["image_url"] for message in messages[::2]] == ["a.png", "b.png"]


def test_placeholders_of_pictures_are_filled() -> None:
    content = [{"type": "image"}, {"type": "text", "text": "What?"}]
    talk = [{"role": "user", "content": content}, ASSISTANT]
    assert applied({"messages": talk, "images": ["a.png"]}).messages[0]["content"] == [picture("a.png"), text("What?")]


@pytest.mark.parametrize(
    ("asked", "images", "code"),
    [
        ("<image><image>Two?", ["https://x.example/a.png"], "picture-missing"),
        ("<image>One?", ["https://x.example/a.png", "https://x.example/b.png"], "picture-unmarked"),
        ("<image>One?", [], "picture-missing"),
        ("<image>One?", None, "picture-missing"),
    ],
)
def test_marks_without_pictures_and_pictures_without_marks_are_problems(asked: str, images: Any, code: str) -> None:
    mapping = Mapping(style="chat", messages="messages", images="images")
    draft = mapping.apply({"messages": [{"role": "user", "content": asked}, ASSISTANT], "images": images})
    assert code in [problem.code for problem in check(draft)]
    assert json.dumps(draft.messages).count("https://x.example") == len(images or [])


def test_a_mark_in_code_is_text_and_other_values_are_no_pictures() -> None:
    draft = applied({"question": "What does `<image>` do?", "answer": "It marks.", "images": ["a.png"]})
    assert draft.messages[0]["content"] == [picture("a.png"), text("What does `<image>` do?")]
    assert applied({"question": "What?", "answer": "This.", "image": "a cat on a mat"}).metadata == {
        "image": "a cat on a mat"
    }
    with pytest.raises(RowError, match="address of a picture"):
        Mapping(roles={"q": "user"}, images="i").apply({"q": "x", "i": [7]})


# --- fixed texts ----------------------------------------------------------------------------------

HEADLINE = "Write a headline for: {text}"


def headline(**more: Any) -> Mapping:
    return Mapping.from_json({"roles": {"text": "user", "title": "assistant"}, "templates": {"text": HEADLINE}, **more})


@pytest.mark.parametrize(
    "data", ["A ferry", "{text}", "{{x}}", "{", "}", "{title}", "%s {0}", '{"a": {"b": 1}}', "{}", "\\{text\\}"]
)
def test_braces_in_data_are_data(data: str) -> None:
    messages = headline(system_text="Be {brief}.").apply({"text": data, "title": "T"}).messages
    assert [message["content"] for message in messages] == ["Be {brief}.", f"Write a headline for: {data}", "T"]


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("Shorten {txt}: {text}", "{txt}, and the file has no such column"),
        ("Shorten this", "must have {text}"),
        ("", "must have {text}"),
        ("{text} {", "stands alone"),
        ("} {text}", "stands alone"),
        ("{text} {}", "has {}"),
        ("{ text }", "must have {text}"),
        ("{text.upper}", "must have {text}"),
        ("{text!r} {text}", "{text!r}"),
        ("{{text}}", "must have {text}"),
        ("{text} " + "x" * 20_001, "at most 20,000"),
    ],
)
def test_a_template_that_cannot_be_filled_says_what_to_change(template: str, words: str) -> None:
    with pytest.raises(MappingError) as raised:
        headline(templates={"text": template}).check_templates(["text", "title"])
    assert words in str(raised.value)


def test_templates_take_other_columns_and_leave_empty_rows_alone() -> None:
    mapping = headline(templates={"text": "In {lang}, {{short}}: {text}"})
    assert (
        mapping.apply({"text": "x", "lang": "Danish", "title": "T"}).messages[0]["content"] == "In Danish, {short}: x"
    )
    with pytest.raises(RowError, match="nothing to answer"):
        mapping.apply({"text": "", "lang": "Danish", "title": "T"})
    assert mapping.columns == ["text", "title", "lang"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"templates": {"other": "{other}"}}, "isn't used as a text"),
        ({"templates": ["x"]}, "must be an object"),
        ({"templates": {"text": 3}}, "must be an object"),
        ({"system_text": 3}, "must be text"),
        ({"system_text": "a\x00b"}, "fixed text"),
        ({"kind": "documents", "fields": ["text"], "roles": {}, "templates": {}, "system_text": "x"}, "Documents have no messages"),
    ],
)  # fmt: skip
def test_fixed_texts_in_the_wrong_place_are_refused(more: dict[str, Any], words: str) -> None:
    with pytest.raises(MappingError, match=words):
        headline(**more)


def test_a_system_message_of_the_row_comes_before_the_fixed_one() -> None:
    mapping = Mapping(style="chat", messages="m", system="s", system_text="Fixed.")
    assert mapping.apply({"m": [USER, ASSISTANT]}).messages[0]["content"] == "Fixed."
    assert mapping.apply({"m": [USER, ASSISTANT], "s": "Row."}).messages[0]["content"] == "Row."
    assert mapping.apply({"m": [SYSTEM, USER, ASSISTANT], "s": "Row."}).messages[0] == SYSTEM
    pair = Mapping("preferences", "preference", prompt="p", chosen="c", rejected="r", system_text="Fixed.")
    assert pair.apply({"p": "x", "c": "y", "r": "z"}).messages[0]["content"] == "Fixed."


# --- smaller --------------------------------------------------------------------------------------


def test_nulls_that_mean_something_stay_in_a_tools_schema_and_others_are_told() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string", "default": None, "enum": ["a", None], "items": None}, "gone": None},
              "examples": [{"city": None}], "x-note": None}  # fmt: skip
    tool = {"type": "function", "function": {"name": "f", "description": None, "parameters": schema}}
    draft = applied({"messages": [USER, ASSISTANT], "tools": [tool]})
    kept = {"type": "object", "properties": {"city": {"type": "string", "default": None, "enum": ["a", None]}},
            "examples": [{"city": None}], "x-note": None}  # fmt: skip
    assert draft.tools == [{"type": "function", "function": {"name": "f", "parameters": kept}}]
    assert "null" in draft.notes[0]


def test_whole_numbers_in_a_cells_json_keep_their_digits() -> None:
    huge = 340282366920938463463374607431768211001
    talk = json.dumps([USER, {"role": "assistant", "content": "The wren.", "number": huge}])
    assert applied({"messages": talk, "metadata": f'{{"id": {huge}}}'}).messages[1]["number"] == str(huge)
    assert Mapping("documents", fields=["text"], metadata=["metadata"]).apply({"text": "x", "metadata": f'{{"id": {huge}}}'}).metadata == {"id": str(huge)}  # fmt: skip
