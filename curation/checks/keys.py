"""Secrets in a text: keys with known prefixes, values that are called secret, strings too random for words."""

import math
import re
from collections import Counter
from collections.abc import Iterator

from curation.checks.numbers import Span

# What it begins with, and how the whole looks. The beginning alone is looked for first, for that is quick.
KNOWN = {
    "AKIA": r"AKIA[0-9A-Z]{16}",
    "ASIA": r"ASIA[0-9A-Z]{16}",
    "AIza": r"AIza[\w-]{35}",
    "ghp_": r"ghp_[A-Za-z0-9]{30,255}",
    "gho_": r"gho_[A-Za-z0-9]{30,255}",
    "ghu_": r"ghu_[A-Za-z0-9]{30,255}",
    "ghs_": r"ghs_[A-Za-z0-9]{30,255}",
    "ghr_": r"ghr_[A-Za-z0-9]{30,255}",
    "github_pat_": r"github_pat_\w{40,255}",
    "glpat-": r"glpat-[\w-]{20,64}",
    "hf_": r"hf_[A-Za-z0-9]{30,64}",
    "npm_": r"npm_[A-Za-z0-9]{36}",
    "pypi-": r"pypi-[\w-]{50,255}",
    "sk-": r"sk-(?:ant-|proj-|svcacct-)?[\w-]{20,255}",
    "sk_": r"sk_(?:live|test)_[A-Za-z0-9]{16,255}",
    "rk_": r"rk_(?:live|test)_[A-Za-z0-9]{16,255}",
    "xox": r"xox[abeoprs]-[A-Za-z0-9-]{10,255}",
    "SG.": r"SG\.[\w-]{16,32}\.[\w-]{30,64}",
    "ya29.": r"ya29\.[\w-]{20,255}",
    "eyJ": r"eyJ[\w-]{8,4096}\.eyJ[\w-]{8,8192}\.[\w-]{8,1024}",
    "PRIVATE KEY": r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----[\s\S]{0,10000}?(?:-----END [A-Z ]{0,20}PRIVATE KEY-----|\Z)",
}
FORMS = {start: re.compile(rf"(?<![\w-]){form}") for start, form in KNOWN.items()}
CALLED = re.compile(
    r"(?:pass(?:word|wd|phrase)|secret|token|api[_ -]?key|access[_ -]?key|auth[_ -]?key|client[_ -]?secret)"
    r"[\"']?[ \t]{0,2}[:=][ \t]{0,2}[\"'`]?([^\s\"'`<>,;]{6,200})",
    re.IGNORECASE,
)
WORDS = ("passw", "passphrase", "secret", "token", "key")
IN_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]{1,20}://[^\s/:@]{1,100}:([^\s/@]{3,100})@")
RANDOM = re.compile(r"(?<![\w/+.=-])[A-Za-z0-9+/_-]{32,200}={0,2}(?![\w/+.=-])")
SHORTEST = 32
BITS = 4.2  # a character, of a string of 32: words and names stay under 4, random base64 is above 4.4
CALLED_BITS = 2.7


def find_keys(text: str) -> Iterator[Span]:
    """Yield the places of secrets; spans may overlap."""
    for start, form in FORMS.items():
        if start in text:
            yield from (Span("SECRET", *match.span()) for match in form.finditer(text))
    if "://" in text and "@" in text:
        yield from (Span("SECRET", *match.span(1)) for match in IN_ADDRESS.finditer(text))
    lower = text.lower()
    if any(word in lower for word in WORDS):
        for match in CALLED.finditer(text):
            if _may_be_secret(match[1]):
                yield Span("SECRET", *match.span(1))
    if max(map(len, text.split()), default=0) >= SHORTEST:
        yield from (Span("SECRET", *match.span()) for match in RANDOM.finditer(text) if is_random(match[0]))


def _may_be_secret(value: str) -> bool:
    """Return whether a value may be a secret: letters mixed with digits or marks, but no word, variable or placeholder."""
    if value[0] in "$%{[(<*" or value.rstrip(".") in ("None", "null", "undefined"):
        return False
    mixed = any(c.isdigit() for c in value) and any(c.isalpha() for c in value)
    return mixed and entropy(value) >= CALLED_BITS


def is_random(value: str) -> bool:
    """Return whether a value is a long string of capitals, small letters and digits without a pattern.

    Hashes and ids in hexadecimal are no secrets.
    """
    kinds = (any(c.isupper() for c in value), any(c.islower() for c in value), sum(c.isdigit() for c in value) > 2)
    return all(kinds) and value.count("/") < 3 and entropy(value) >= BITS


def entropy(value: str) -> float:
    """Return the entropy in bits per character, from how often each occurs (Shannon)."""
    counts = Counter(value).values()
    return -sum(n / len(value) * math.log2(n / len(value)) for n in counts)
