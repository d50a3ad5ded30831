"""Detection of a file's encoding, and its bytes as UTF-8."""

import codecs
from collections.abc import Iterable, Iterator
from typing import Protocol

from curation.formats.readers.alphabets import best_alphabet, east_asian

BLOCK = 1 << 18
BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What a person may choose where the guess was wrong, in words.
NAMES = {
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8 with BOM",
    "cp1252": "Western European (Windows-1252, Latin-1)",
    "cp1250": "Central European (Windows-1250)",
    "iso8859_2": "Central European (ISO-8859-2, Latin-2)",
    "cp1251": "Cyrillic (Windows-1251)",
    "koi8_r": "Cyrillic (KOI8-R)",
    "koi8_u": "Ukrainian (KOI8-U)",
    "cp866": "Cyrillic (DOS)",
    "cp1255": "Hebrew (Windows-1255)",
    "cp1256": "Arabic (Windows-1256)",
    "cp1253": "Greek (Windows-1253)",
    "cp1254": "Turkish (Windows-1254)",
    "cp1257": "Baltic (Windows-1257)",
    "mac_roman": "Western European (old Macintosh)",
    "cp437": "Western European (DOS)",
    "shift_jis": "Japanese (Shift JIS)",
    "euc_jp": "Japanese (EUC)",
    "gb18030": "Chinese (GB18030)",
    "big5": "Chinese (Big5)",
    "euc_kr": "Korean (EUC)",
    "utf-16": "UTF-16 with BOM",
    "utf-16-le": "UTF-16 LE",
    "utf-16-be": "UTF-16 BE",
    "utf-32": "UTF-32 with BOM",
}


# Told by no mark and no pattern of bytes, but by the letters that come out.
GUESSED = frozenset(NAMES) - {"utf-8", "utf-8-sig", "utf-16", "utf-32"}


class Readable(Protocol):
    """A binary file, plain or unpacking."""

    def read(self, size: int = -1, /) -> bytes: ...


def detect(sample: bytes) -> str:
    """Return the encoding of a file that begins with these bytes, as Python names it."""
    for mark, name in BOMS:
        if sample.startswith(mark):
            return name
    if wide := _wide(sample):
        return wide
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(sample)
    bad = text.count("\ufffd")
    if not bad:
        return "utf-8"
    # Valid multi-byte sequences hardly arise by accident: a few bad bytes among many good ones are bad rows in UTF-8.
    good = sum(1 for character in text if character > "\x7f") - bad
    if good > 4 * bad:
        return "utf-8"
    return east_asian(sample[:65536]) or best_alphabet(sample[:65536])


def _wide(sample: bytes) -> str:
    """Detect UTF-16 without a byte order mark: every other byte of Latin text is zero."""
    head = sample[:4096]
    if len(head) < 4 or head.count(0) < len(head) // 4:
        return ""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if odd > 8 * even:
        return "utf-16-le"
    return "utf-16-be" if even > 8 * odd else ""


def blocks(stream: Readable, size: int = BLOCK) -> Iterator[bytes]:
    """Yield the stream in pieces."""
    while block := stream.read(size):
        yield block


def as_utf8(pieces: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Yield the pieces re-encoded as UTF-8 without a byte order mark. Bytes that are invalid in the encoding become U+FFFD.

    UTF-8 passes as it is, so that invalid rows can be named.
    """
    if encoding in ("utf-8", "ascii"):
        yield from pieces
        return
    if encoding == "utf-8-sig":
        yield from _without_mark(pieces)
        return
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    for piece in pieces:
        yield decoder.decode(piece).encode("utf-8", "replace")
    yield decoder.decode(b"", True).encode("utf-8", "replace")


def _without_mark(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest = iter(pieces)
    head = b""
    for piece in rest:
        head += piece
        if len(head) >= len(codecs.BOM_UTF8):
            break
    yield head.removeprefix(codecs.BOM_UTF8)
    yield from rest
