"""Places that other tools counted, held against the words that they mark."""

import pytest

from curation.formats.annotation_tools.offsets import COUNTINGS, CountingSurvey, note_of, place


def utf16(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def encoded(text: str) -> int:
    return len(text.encode())


TEXTS = [
    "Landed 🛬 in Turin with Ada today",
    "👩‍👩‍👧 and 👍🏽 met in Turin today",
    "a cafe\u0301 in Turin, nai\u0308ve",
    "one\r\ntwo\r\n\r\nin Turin",
    "🛬\r\nin Turin\r\n",
    "مرحبا بكم في Turin اليوم",
    "שלום לכולם Turin היום 🛬",
    "我在 Turin 很好",
    "  \n\t in Turin",
    "\ufeffin Turin",
    "𝒜𝒷 Turin 𝒞",
    "Ünïcödé Turin",
    "in Turin",
]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("count", [len, utf16, encoded])
@pytest.mark.parametrize("breaks", ["\r\n", "\n"])
def test_however_a_tool_counted_its_words_are_found(text, count, breaks):
    before = text[: text.index("Turin")].replace("\r\n", breaks)
    start = count(before)
    found = place(text, start, start + 5, "Turin")
    assert found is not None
    assert text[slice(*found)] == "Turin"


@pytest.mark.parametrize(
    ("text", "start", "end", "words", "marked"),
    [
        ("in  Turin  now", 2, 11, "Turin", "Turin"),  # the tool trimmed the words
        ("in Turin", 3, 8, " Turin ", "Turin"),  # or the place
        ("  in Turin", 3, 8, "Turin", "Turin"),  # or the text before it counted
        ("a line\r\nbreak", 2, 12, "line\\nbreak", "line\r\nbreak"),
        ("the cafe\u0301", 4, 8, "caf\u00e9", "cafe\u0301"),  # composed before it counted
        ("in Turin ", 3, 9, "Turin ", "Turin "),  # what it quotes is kept
    ],
)
def test_white_space_and_composed_letters_are_no_other_words(text, start, end, words, marked):
    found = place(text, start, end, words)
    assert found is not None
    assert text[slice(*found)] == marked


@pytest.mark.parametrize(
    ("text", "start", "end", "words"),
    [
        ("Anna and Bob", 0, 4, "Karl"),
        ("Anna and Bob", 9, 13, "Bob"),  # beyond the end
        ("Anna and Bob", 0, 3, "Bob"),  # elsewhere: which place is wrong, and not which words
        ("Anna and Bob", -4, -1, "Bob"),
        ("Anna and Bob", 5, 5, ""),
        ("Anna", 0, 99, "Anna"),
        ("", 0, 1, "A"),
        ("🛬 in", 1, 2, "x"),  # within a character
        ("🛬 Turin", 4, 9, ""),  # no words to go by, and no whole word
        ("a\r\nb", 2, 3, "\r"),
    ],
)
def test_what_fits_no_way_of_counting_is_no_place(text, start, end, words):
    assert place(text, start, end, words) is None


def test_without_words_whole_words_tell_and_plain_texts_need_none():
    text = TEXTS[0]
    assert text[slice(*place(text, 13, 18))] == "Turin"
    assert place("Landing in Turin", 0, 4) == (0, 4), "every way of counting says the same"


def test_one_way_is_decided_for_the_whole_file_where_it_fits_all():
    survey = CountingSurvey()
    survey.see("🛬 Oslo Oslo", 3, 7, "Oslo")
    survey.see("plain Oslo", 6, 10, "Oslo")  # tells nothing
    assert survey.decided() == ["utf-16"]
    # By itself this could be the second of two, by characters.
    text = "🛬🛬🛬🛬🛬 Oslo Oslo"
    assert place(text, 11, 15, "Oslo", countings=["characters"]) == (11, 15)
    assert place(text, 11, 15, "Oslo", countings=["utf-16"]) == (6, 10)


def test_spans_that_were_counted_in_several_ways_are_read_one_by_one_with_a_note():
    survey = CountingSurvey()
    survey.see("🛬 in Oslo", 6, 10, "Oslo")
    survey.see("🛬 in Oslo", 5, 9, "Oslo")
    survey.see("é in Oslo", 6, 10, "Oslo")
    assert set(survey.decided()) >= {"characters", "utf-16", "bytes"}
    assert "different ways" in note_of(survey.decided())
    assert note_of(["characters"]) == note_of([]) == ""
    assert "UTF-16" in note_of(["utf-16"])


def test_a_span_that_fits_nothing_does_not_decide_for_the_others():
    survey = CountingSurvey()
    survey.see("🛬 in Oslo", 6, 10, "Oslo")
    survey.see("🛬 in Oslo", 1, 4, "Rome")
    assert survey.decided() == ["utf-16"]
    assert CountingSurvey().decided() == []


@pytest.mark.parametrize(
    ("source", "start", "end", "words", "marked"),
    [
        ("<p>Tom &amp; <b>Anna</b></p>", 6, 10, "Anna", "Anna"),
        ("<p>🛬 &lt;b&gt; <i>Oslo</i></p>", 7, 11, "Oslo", "Oslo"),  # UTF-16 of what is shown
        ("<p>🛬 &lt;b&gt; <i>Oslo</i></p>", 6, 10, "Oslo", "Oslo"),
        ("<p>A &amp; B</p>", 0, 5, "A & B", "A &amp; B"),
        ("مرحبا <b>Oslo</b>", 6, 10, "Oslo", "Oslo"),
        ("one<br>\r\nOslo", 4, 8, "Oslo", "Oslo"),
    ],
)
def test_places_in_shown_html_are_places_in_its_source(source, start, end, words, marked):
    found = place(source, start, end, words, is_html=True)
    assert found is not None
    assert source[slice(*found)] == marked


def test_names_of_countings_are_each_their_own():
    assert len({counting.name for counting in COUNTINGS}) == len(COUNTINGS) == 16
