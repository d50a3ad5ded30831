"""HTML in texts: which text is HTML as a whole, and what it says without tags and entities.

Tags and entities are often meant to be read: in code, in a formula, in an answer about HTML. Only a text that is a piece
of a web page from its first character to its last is one that a fix may touch.
"""

import html
import re
from collections import Counter

CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]+`", re.DOTALL)
NAMES = (
    "a|abbr|article|b|blockquote|body|br|caption|center|code|dd|del|div|dl|dt|em|figcaption|figure|font|footer|h[1-6]|head|header|hr|html"
    "|i|img|ins|label|li|link|main|mark|meta|nav|ol|p|pre|q|s|script|section|small|span|strong|style|sub|sup|table|tbody|td|tfoot|th|thead"
    "|title|tr|u|ul"
)
ATTRIBUTES = r"(?:\s{1,9}[\w:-]{1,40}\s?=\s?(?:\"[^\"<>]{0,500}\"|'[^'<>]{0,500}'|[^\s\"'<>]{1,500})|\s{1,9}(?:hidden|nowrap|async|defer|checked|disabled)){0,20}"
TAG = re.compile(rf"<(/?)({NAMES}){ATTRIBUTES}\s{{0,9}}(/?)>|<!DOCTYPE [^<>]{{1,200}}>", re.IGNORECASE)
ENTITY = re.compile(r"&(?:[a-zA-Z]{2,8}\d{0,2}|#\d{2,6}|#x[0-9a-fA-F]{2,5});")
LEFTOVER = re.compile(r"&(?:nbsp|amp|quot|apos|#39|#34|#x27|#160|rsquo|lsquo|ldquo|rdquo|ndash|mdash|hellip);")
# Who speaks of these may mean the tags.
ABOUT = re.compile(
    r"<[a-z!/][^<>\n]{0,60}>|&(?:lt|gt|amp|nbsp);|(?<![^\W_])(?:x?html5?|xml|css|svg|jsx|tsx|mark-?up|tags?|web ?(?:page|site)s?|entit(?:y|ies)|dom|element|template|snippet|code"
    r"|javascript|react|vue|angular|django|jinja|php|browser|balise|etiquetas?|webseiten?)(?![^\W_])",
    re.IGNORECASE,
)  # fmt: skip
VOID = frozenset({"br", "hr", "img", "link", "meta"})
OPEN_ENDED = frozenset({"li", "p", "td", "th", "tr", "dd", "dt", "tbody", "thead", "tfoot"})  # may stay unclosed
BLOCKS = re.compile(r"(?:article|blockquote|body|center|div|dl|figure|footer|h[1-6]|head|header|html|main|nav|ol|p|pre|section|table|ul)", re.IGNORECASE)  # fmt: skip
# Of these the content goes too: nobody read it on the page. By their first letters, how each ends.
UNSEEN = re.compile(r"<!--|<(?:script|style)(?:\s[^<>]{0,300})?>", re.IGNORECASE)
ENDS = {
    start: re.compile(end, re.IGNORECASE)
    for start, end in (("<!--", "-->"), ("<scr", r"</script\s*>"), ("<sty", r"</style\s*>"))
}
BREAK = re.compile(r"<(?:br|/p|/div|/li|/tr|/h[1-6])\s*/?>", re.IGNORECASE)
SHOWN = 6


def is_about_markup(text: str) -> bool:
    """Return whether a text speaks of HTML, of code or of pages, so that tags near it may be meant."""
    return bool(ABOUT.search(text))


def is_page(text: str) -> bool:
    """Return whether a text is HTML as a whole: blocks from its beginning to its end, each tag closed, and no HTML shown in it."""
    if not text.lstrip().startswith("<") or not _is_built(text):
        return False
    plain = without_html(text)
    # What still is a page after its tags went was shown on one.
    return bool(plain.strip()) and not _is_built(plain)


def find_page(text: str) -> str:
    """Return the first tag of a text that is HTML as a whole, else nothing."""
    found = TAG.search(text) if is_page(text) else None
    return found[0] if found else ""


def find_leftover(text: str) -> str:
    """Return a tag or an entity that looks left over in a text that isn't HTML as a whole, else nothing."""
    if ("<" not in text and "&" not in text) or is_page(text):
        return ""
    outside = CODE.sub("", text)
    if entity := LEFTOVER.search(outside):
        return "" if "&lt;" in outside or TALKS.search(outside) else entity[0]
    tags = [found for found in TAG.finditer(outside) if found[2] and not _is_glued(outside, found)]
    closed = {found[2].lower() for found in tags if found[1]} | VOID
    if TALKS.search(TAG.sub(" ", outside)):
        return ""
    for found in tags:
        inner = outside[found.end() : found.end() + 1]
        if found[2].lower() in closed and (inner.strip() or found[2].lower() in ("br", "hr")):
            return found[0]
    return ""


TALKS = re.compile(r"(?<![^\W_])(?:x?html5?|xml|css|svg|jsx|mark-?up|tags?|balise|entit(?:y|ies)|element|attribute)(?![^\W_])", re.IGNORECASE)  # fmt: skip


def _is_built(text: str) -> bool:
    """Return whether blocks stand at both ends and tags close in their order."""
    outside = _without_unseen(CODE.sub("code", text)).strip()
    tags = list(TAG.finditer(outside))
    if not tags or tags[0].start() > 0 or tags[-1].end() < len(outside):
        return False
    named = [found for found in tags if found[2]]
    if not any(BLOCKS.fullmatch(found[2]) for found in named):
        return False
    return _closes(named) and not _is_mention(outside, named)


def _closes(tags: list[re.Match[str]]) -> bool:
    waiting: list[str] = []
    for found in tags:
        name = found[2].lower()
        if name in VOID or found[3]:
            continue
        if not found[1]:
            waiting.append(name)
            continue
        while waiting and waiting[-1] != name and waiting[-1] in OPEN_ENDED:
            waiting.pop()
        if not waiting or waiting.pop() != name:
            return False
    return all(name in OPEN_ENDED for name in waiting)


def _is_mention(outside: str, tags: list[re.Match[str]]) -> bool:
    """Return whether the tags are words of a sentence: "<p> begins a paragraph and ends at </p>"."""
    first, last = tags[0], tags[-1]
    spaced = outside[first.end() : first.end() + 1] == " " and outside[last.start() - 1 : last.start()] == " "
    return spaced and "\n" not in outside


def _is_glued(text: str, found: re.Match[str]) -> bool:
    """Return whether a tag is the parameter of a type, as in `vector<i>`."""
    return not found[1] and found[2].lower() != "br" and found.start() > 0 and text[found.start() - 1].isalnum()


def fix_html(text: str) -> str:
    """Return what a page's text says; a text that isn't HTML as a whole is returned as it is."""
    return without_html(text) if is_page(text) else text


def without_html(text: str) -> str:
    """Remove HTML once: tags are removed or become line breaks, entities become characters; code stays as it is."""
    pieces, at = [], 0
    for code in CODE.finditer(text):
        pieces += [_plain(text[at : code.start()]), code[0]]
        at = code.end()
    return "".join([*pieces, _plain(text[at:])])


def _plain(text: str) -> str:
    without = TAG.sub("", BREAK.sub("\n", _without_unseen(text)))
    return ENTITY.sub(lambda found: html.unescape(found[0]), without)


def removed(text: str) -> list[str]:
    """Return what fixing this text would take out, in words: each tag and entity with how often, most frequent first."""
    if not is_page(text):
        return []
    outside = CODE.sub("", text)
    seen = _without_unseen(outside)
    counts = Counter(found[0] for form in (TAG, ENTITY) for found in form.finditer(seen))
    said = [piece[:40] if count == 1 else f"{piece[:40]} ({count} times)" for piece, count in counts.most_common()]
    more = len(said) - SHOWN
    if more > 0:
        said = [*said[:SHOWN], f"{more} more"]
    if hidden := len(outside) - len(seen):
        said.append(f"{hidden:,} characters of scripts, styles and comments")
    return said


def _without_unseen(text: str) -> str:
    """Remove invisible parts in one pass through the text, however many of them never end."""
    pieces, at, endless = [], 0, set()
    for found in UNSEEN.finditer(text):
        start = found[0][:4].lower()
        if found.start() < at or start in endless:
            continue
        if end := ENDS[start].search(text, found.end()):
            pieces.append(text[at : found.start()])
            at = end.end()
        else:
            endless.add(start)
    return "".join([*pieces, text[at:]])
