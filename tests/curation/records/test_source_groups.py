"""Source groups: what comes from one source shares one, and a sentence that many records share makes none."""

import pytest

from curation.content import Draft


def user(content) -> dict:
    return {"role": "user", "content": content}


def system(text) -> dict:
    return {"role": "system", "content": text}


def answer(text="Yes.") -> dict:
    return {"role": "assistant", "content": text}


def picture(url) -> dict:
    return {"type": "image_url", "image_url": {"url": url}}


def text(words) -> dict:
    return {"type": "text", "text": words}


def group(*messages, kind="conversations", **more) -> str:
    return Draft(kind, messages=list(messages), **more).source_group


FRUIT = "Which fruit is this?"
# Each is a set of records that share a sentence, and that have nothing else in common.
SHARED = {
    "one question about many pictures": [[user([picture(f"https://p.example/{n}.jpg"), text(FRUIT)])] for n in range(4)],
    "the picture after the question": [[user([text(FRUIT), picture(f"https://p.example/{n}.jpg")])] for n in range(4)],
    "pictures as data": [[user([picture(f"data:image/png;base64,AA{n}="), text(FRUIT)])] for n in range(4)],
    "several pictures, the last differs": [[user([picture("a"), text(FRUIT), picture(f"{n}")])] for n in range(4)],
    "a picture without words": [[user([picture(f"{n}")])] for n in range(4)],
    "the text in a second message": [[user("Classify this text:"), user(f"Text {n}")] for n in range(4)],
    "the text in the system message": [[system(f"The text: {n}"), user("Classify the text.")] for n in range(4)],
    "a greeting first": [[user("Hi"), answer("Hello!"), user(f"Question {n}")] for n in range(4)],
    "one text in another place": [[system("Be brief."), user([text("Classify: "), text(f"text {n}")])] for n in range(4)],
    "one file beside the words": [[user([{"type": "file", "file_id": f"{n}"}, text("Sum up.")])] for n in range(4)],
    "sound beside the words": [[user([{"type": "input_audio", "data": f"{n}"}, text("Write down.")])] for n in range(4)],
    "the same system text, other questions": [[system("You are kind."), user(f"Question {n}")] for n in range(4)],
    "a question that differs late": [[user("Go on."), answer(), user("Go on."), answer(), user(f"Go on {n}")] for n in range(4)],
}  # fmt: skip


@pytest.mark.parametrize("records", SHARED.values(), ids=SHARED)
@pytest.mark.parametrize("kind", ["conversations", "preferences"])
def test_a_sentence_that_every_record_shares_makes_no_group(records, kind):
    assert len({group(*messages, answer(), kind=kind) for messages in records}) == 4


# Each is a set of records of one source.
SAME = {
    "two answers": [[user("Why?"), answer("So.")], [user("Why?"), answer("Because.")]],
    "two answers about one picture": [[user([picture("a"), text("Why?")]), answer(each)] for each in "xy"],
    "two answers to a conversation": [[user("A"), answer("1"), user("B"), answer(each)] for each in "xy"],
    "other words of the assistant on the way": [[user("A"), answer(each), user("B"), answer()] for each in "xy"],
    "text as one part and as a string": [[user("Why?"), answer()], [user([text("Why?")]), answer()]],
    "a part in two": [[user("Why so?"), answer()], [user([text("Why "), text("so?")]), answer()]],
    "blanks around it": [[user(" Why?\n"), answer()], [user("Why?"), answer()]],
    "an empty system message": [[system(" "), user("Why?"), answer()], [user("Why?"), answer()]],
    "composed and decomposed letters": [[user("né?"), answer()], [user("ne\u0301?"), answer()]],
    "what a tool said": [
        [user("Why?"), answer(), {"role": "tool", "content": each}, answer("Done.")] for each in ("1", "2")
    ],
}


@pytest.mark.parametrize("records", SAME.values(), ids=SAME)
def test_what_was_asked_alike_stays_together(records):
    assert len({group(*messages) for messages in records}) == 1


def test_a_document_and_what_was_distilled_from_it_as_it_stands_stay_together():
    assert group(user("A brief."), answer()) == Draft("documents", fields={"text": "A brief. "}).source_group


def test_documents_of_one_sentence_and_a_picture_each_are_apart():
    groups = {Draft("documents", fields={"question": FRUIT, "picture": {"url": str(n)}}).source_group for n in range(4)}
    assert len(groups) == 4


def test_a_named_group_decides_whatever_was_asked():
    named = {group(user(str(n)), answer(), group="article 7") for n in range(4)}
    assert len(named) == 1
    assert group(user("0"), group=named.copy().pop()) in named


def test_nothing_asked_falls_back_on_all_that_is_there():
    assert len({group(answer(each)) for each in "xy"}) == 2
    assert len({group(system("Be brief."), answer(each)) for each in "xy"}) == 2
    assert len({Draft("documents", fields={"a": each, "b": "same"}).source_group for each in "xy"}) == 2
