"""HTML: which texts a fix may touch, measured on a labelled set, and that what is meant to be read stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.checks.markup import is_page, removed, without_html
from curation.checks.record import check
from curation.checks.record_fixes import fix_record
from curation.formats import Draft
from tests.speed import patient

PAGES = (
    "<p>Good day</p>", "<p>Hello <b>you</b></p><p>Bye &amp; thanks</p>", "<div>One</div>\n<div>Two</div>", "<ul><li>One<li>Two</ul>",
    "<ul>\n <li>Milk</li>\n <li>Bread</li>\n</ul>", "<h1>Ferry</h1><p>It leaves at nine.<br>Be early.</p>",
    '<p>See <a href="https://a.example">this</a> page.</p>', "<table><tr><td>1<td>2</table>", "<blockquote><p>Quoted.</p></blockquote>",
    "<!DOCTYPE html>\n<html><head><title>News</title></head><body><p>Rain.</p></body></html>", "<p>a < b and c > d</p>",
    '<div class="x"><span style="color: red">Red</span></div>', "<p>It&#39;s late&nbsp;now&hellip;</p>", "<P>LOUD</P>", "<ol><li>First</li><li>Second</li></ol>",
    "<script>track()</script><p>The text.</p>", "<style>p {}</style><p>Styled.</p>", "<!-- head --><div>Body</div><!-- foot -->",
    "<p>One paragraph.\n<p>Another paragraph.</p>", '<section><h2>Part</h2><p>Words<img src="x.png">.</p></section>', "<pre>a = 1</pre>",
    "<article><p>An essay &ndash; in short.</p></article>", "<p>Caf&eacute; cr&egrave;me</p>", "<dl><dt>Word<dd>Meaning</dl>", "<center><p>Middle</p></center>",
)  # fmt: skip
READ = (
    "Put the text between &lt;p&gt; and &lt;/p&gt;, and use &lt;b&gt; for bold.", "It is small where a <b and c> d hold together; else not.",
    "The <a> tag makes a link, and <img> shows a picture.", "vector<i>", "std::vector<i> and map<a, b> are types.", "if x <b and y> 3 then",
    "<p> begins a paragraph and ends at </p>", "Use AT&amp;T or AT&T as you like.", "Write <br> for a break.", "Use `<b>` for bold:\n```html\n<p>Hello</p>\n```",
    "a &lt; b in a formula", "<b>", "<p>Hello", "</p>", "List<String> and Set<I>", "The entity &amp; is an ampersand.", "<think>hm</think> 42", "<p> and </div> differ",
    "Type Option<u> or Vec<s>", "<strong> is bold and <em> is italic", "Hello <b>you</b>, come in.", "Fish &amp; chips", "x<sub>1</sub> + x<sub>2</sub>",
    "<user> says <p>", "<p>&lt;p&gt;shown twice&lt;/p&gt;</p>", "Press <kbd>Ctrl</kbd>", "1 <i> 2", "<div>unclosed", "<p>Good day</p> and more after it",
    "First <p>Good day</p>", "&nbsp;", "if (a<b) return <p>;", "<i>x</i>", "<a><b></a></b>", "E = mc<sup>2</sup>", "<name> <email> <street>", "<b and c>", "",
)  # fmt: skip


def answer(text: str, question: str = "Write a greeting.") -> dict:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": text}]}


def test_precision_and_recall_on_the_labelled_set() -> None:
    right = [text for text in PAGES if is_page(text)]
    wrong = [text for text in READ if is_page(text)]
    precision, recall = len(right) / (len(right) + len(wrong)), len(right) / len(PAGES)
    print(f"html: precision {precision:.3f}, recall {recall:.3f}, wrong {wrong}, missed {set(PAGES) - set(right)}")
    assert (precision >= 0.95, recall >= 0.95) == (True, True), (wrong, set(PAGES) - set(right))


@pytest.mark.parametrize("text", READ)
def test_what_is_meant_to_be_read_stays(text: str) -> None:
    assert fix_record(answer(text), ["html"]) == ({}, [])
    assert fix_record({"fields": {"text": text or " "}}, ["html"]) == ({}, [])
    codes = {problem.code for problem in check(Draft("documents", fields={"text": text}))}
    assert "html" not in codes


@pytest.mark.parametrize("text", PAGES)
def test_a_page_becomes_its_text_and_what_goes_is_said(text: str) -> None:
    columns, [note] = fix_record(answer(text), ["html"])
    fixed = columns["messages"][1]["content"]
    assert fixed.strip()
    assert all(piece in note for piece in removed(text))
    assert fix_record(answer(fixed), ["html"]) == ({}, [])
    assert "html" in {problem.code for problem in check(Draft("conversations", **answer(text)))}


@pytest.mark.parametrize(
    "question", ["How do I write a paragraph in HTML?", "What is <p> for?", "Give me the mark-up of a list."]
)
def test_a_page_that_was_asked_for_is_an_answer(question: str) -> None:
    asked = answer("<p>Good day</p>", question)
    assert fix_record(asked, ["html"]) == ({}, [])
    assert "html" not in {problem.code for problem in check(Draft("conversations", **asked))}


def test_a_page_that_shows_tags_keeps_them() -> None:
    assert without_html("<p>Use &lt;b&gt; for bold.</p>") == "Use <b> for bold.\n"


PIECES = st.sampled_from(["<p>", "</p>", "<b>", "</b>", "<br>", "&lt;p&gt;", "&amp;lt;", "&amp;", "a ", "`<i>`", "<li>", "<ul>", "</ul>", "<div>", "</div>", "\n", "<!--", "-->", "<script>", "</script>"])  # fmt: skip


@given(st.lists(PIECES, max_size=10).map("".join))
def test_fixing_twice_changes_nothing(text: str) -> None:
    once = fix_record({"fields": {"text": text}}, ["html"])[0].get("fields", {"text": text})
    assert fix_record({"fields": once}, ["html"]) == ({}, [])


@pytest.mark.parametrize("piece", ["<p>", "<p a", "&", "<!--", "<script>", "<p a=b ", "<div>&lt;", "<a href='"])
def test_hostile_texts_take_no_time(piece: str) -> None:
    import time

    began = time.process_time()
    text = piece * (60_000 // len(piece))
    check(Draft("documents", fields={"text": text}))
    fix_record({"fields": {"text": text}}, ["html"])
    assert time.process_time() - began < patient(4)
