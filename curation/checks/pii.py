"""Personal data (PII) in texts: found with its place, and masked so that the same value gets the same placeholder."""

import re
from collections.abc import Callable, Container, Iterable, Iterator
from ipaddress import ip_address
from typing import NamedTuple

from curation.checks.keys import find_keys
from curation.checks.names import find_names, greeted, known_names, parts
from curation.checks.numbers import DIGITS, Span, find_numbers

KINDS = {
    "EMAIL": "e-mail address",
    "PHONE": "phone number",
    "CARD": "card number",
    "IBAN": "bank account (IBAN)",
    "IP": "IP address",
    "ID": "national id",
    "SECRET": "secret or key",
    "NAME": "name",
}
Seen = dict[str, str]
EMAIL = re.compile(r"(?<![\w.%+-])[\w%+-][\w.%+-]{0,63}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}(?![\w-])")
# The ends of files' names and of names within one house, none of them the end of a domain.
NO_DOMAIN = frozenset(
    """png jpg jpeg gif svg webp bmp ico tif tiff avif heic pdf doc docx xls xlsx ppt pptx odt ods csv tsv txt log json jsonl
    xml yml yaml toml ini cfg conf html htm css scss less js mjs jsx ts tsx py pyc ipynb rb java jar class php cpp hpp cs
    kt swift lua sql db bak tmp zip gz tgz tar rar iso bin exe dll deb rpm apk dmg mp3 mp4 wav ogg mov avi mkv webm ttf otf
    woff woff2 psd ai sketch fig parquet lock patch diff service socket timer target mount local localhost internal lan
    intranet localdomain next latest beta alpha canary""".split()  # noqa: SIM905
)
AT_A_SIZE = re.compile(r"\d(?:\.\d)?x\.|v?\d+\.\d", re.IGNORECASE)
ACCOUNTS = frozenset("git svn hg ssh cvs".split())  # of a machine, not of a person  # noqa: SIM905
SPELLED = re.compile(
    r"(?<![\w.%+-])[\w%+-][\w.%+-]{0,63} ?[(\[{<] ?(?:at|AT|ät|arobase|arroba|@) ?[)\]}>] ?[\w-]{1,63}"
    r"(?:(?: ?[(\[{<] ?(?:dot|DOT|punkt|point|punto|\.) ?[)\]}>] ?|\.)[\w-]{1,63}){1,4}"
)
SAID = re.compile(r"(?<![\w.%+-])[\w%+-][\w.%+-]{0,63} at [\w-]{1,63}(?: dot [\w-]{1,63}){0,2} dot [a-z]{2,4}(?!\w)")
ADDRESSED = re.compile(r"(?:mail|write|reach|contact|address|send)\W[^.]{0,30}$", re.IGNORECASE)


class Finding(NamedTuple):
    """A piece of personal data: a key of KINDS, its place in the text, its value, and whether it is certain."""

    kind: str
    start: int
    end: int
    value: str
    sure: bool = True


def find(text: str, names: Iterable[str] = ()) -> list[Finding]:
    """Find the personal data in a text, in its order, without overlaps. `names` are known from elsewhere in the record.

    What only might be personal data is left to `find_all`.
    """
    return [finding for finding in find_all(text, names) if finding.sure]


def find_all(text: str, names: Iterable[str] = ()) -> list[Finding]:
    """Find personal data and what only might be some, in its order, without overlaps."""
    told = [*names, *(part for name in known_names(text) for part in parts(name))]
    spans = [*find_keys(text), *_emails(text), *find_numbers(text), *find_names(text, told)]
    spans += [Span("NAME", *place, False) for place in greeted(text)]
    taken: list[Span] = []
    # The surest kinds come first and keep their place.
    for span in sorted(spans, key=lambda span: not span.sure):
        if not any(span.start < other.end and other.start < span.end for other in taken):
            taken.append(span)
    taken.sort(key=lambda span: span.start)
    return [Finding(span.kind, span.start, span.end, text[span.start : span.end], span.sure) for span in taken]


def _emails(text: str) -> Iterator[Span]:
    if "@" in text:
        yield from (Span("EMAIL", *found.span()) for found in EMAIL.finditer(text) if _is_email(text, found))
    lower = text.lower()
    if any(word in lower for word in ("at", "ät", "arro", "@")) and any(mark in text for mark in "([{<"):
        yield from (Span("EMAIL", *found.span()) for found in SPELLED.finditer(text))
    if " at " in text and " dot " in text:
        for found in SAID.finditer(text):
            yield Span("EMAIL", *found.span(), bool(ADDRESSED.search(text, max(0, found.start() - 40), found.start())))


def _is_email(text: str, found: re.Match[str]) -> bool:
    """Return whether this is an address, and not a file `x@2x.png`, a package `x@1.2`, or an account `git@host:path`."""
    local, _, domain = found[0].partition("@")
    if domain.rpartition(".")[2].lower() in NO_DOMAIN or AT_A_SIZE.match(domain):
        return False
    path_follows = text[found.end() : found.end() + 1] == ":" and re.match(r":[\w~./-]", text[found.end() :])
    within_path = found.start() > 1 and text[found.start() - 1] == "/" and text[found.start() - 2] != "/"
    return not (local.lower() in ACCOUNTS or (path_follows and "/" in text[found.end() :][:80]) or within_path)


def mask(text: str, seen: Seen, kinds: Container[str] = KINDS) -> tuple[str, list[Finding]]:
    """Mask personal data: return the text with [EMAIL_1], [NAME_2] … in place of what was found, and what was found.

    `seen` is one dict for all texts of a record: the same value gets the same placeholder in all of them. Masking what
    was masked changes nothing, and what is only a suggestion stays. With `kinds`, only those are masked.
    """
    if "NAME" in kinds:
        learn(known_names(text), seen)
    told = [key[len("NAME:") :] for key in seen if key.startswith("NAME:")]
    findings = [finding for finding in find(text, told) if finding.kind in kinds]
    pieces, at = [], 0
    for finding in findings:
        pieces += [text[at : finding.start], placeholder(finding.kind, finding.value, seen)]
        at = finding.end
    return "".join([*pieces, text[at:]]), findings


def learn(names: Iterable[str], seen: Seen) -> None:
    """Give names, and each of their parts, a placeholder before any text is masked."""
    for name in names:
        given = placeholder("NAME", name, seen)
        for part in parts(name):
            seen.setdefault(f"NAME:{part}", given)


def placeholder(kind: str, value: str, seen: Seen) -> str:
    """Return the value's placeholder, or the next one of its kind."""
    key = f"{kind}:{SAME.get(kind, str)(value)}"
    if key not in seen:
        seen[key] = f"[{kind}_{len({each for each in seen.values() if each.startswith(f'[{kind}_')}) + 1}]"
    return seen[key]


def _digits(value: str) -> str:
    """Return a phone number's digits: it is the same with 00 and with +, with spaces and without."""
    digits = DIGITS.sub("", value)
    return digits.removeprefix("00")


# What makes two ways to write a value the same one.
SAME: dict[str, Callable[[str], str]] = {
    "EMAIL": str.casefold,
    "PHONE": _digits,
    "CARD": _digits,
    "IBAN": lambda value: value.replace(" ", "").upper(),
    "IP": lambda value: str(ip_address(value)),
    "ID": lambda value: re.sub(r"\W", "", value).upper(),
}
