"""What a file is, by its first bytes first and by its name second."""

import re
from pathlib import PurePosixPath

import orjson

from curation.formats.arrays import before_rows
from curation.formats.encodings import as_utf8, detect
from curation.formats.rows import FormatError, Source
from curation.formats.tables import guess_delimiter

SAMPLE = 1 << 18
SUPPORTED = "JSON Lines, JSON, CSV, TSV, Parquet, Excel (.xlsx), text and Markdown, and zip or gz of these"
BY_NAME = {
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".csv": "csv", ".tsv": "csv", ".tab": "csv",
    ".txt": "text", ".md": "text", ".markdown": "text", ".text": "text",
}  # fmt: skip
REFUSED = (
    (b"\xd0\xcf\x11\xe0", "an old Excel or Office file", "save it as .xlsx or CSV"),
    (b"%PDF", "a PDF", "save its text as .txt or .md"),
    (b"(\xb5/\xfd", "packed with zstd", "pack it with gzip, or send it unpacked"),
    (b"BZh", "packed with bzip2", "pack it with gzip, or send it unpacked"),
    (b"\xfd7zXZ", "packed with xz", "pack it with gzip, or send it unpacked"),
    (b"7z\xbc\xaf", "a 7-Zip archive", "pack it as .zip"),
    (b"Rar!", "a RAR archive", "pack it as .zip"),
    (b"SQLite format 3", "a database", "export its table as CSV"),
    (b"ARROW1", "an Arrow file", "write it as Parquet"),
    (b"\x89PNG", "a picture", "choose a file with text"),
    (b"\xff\xd8\xff", "a picture", "choose a file with text"),
    (b"GIF8", "a picture", "choose a file with text"),
    (b"\x80\x04", "a Python pickle, which may run programs", "write it as JSON Lines"),
    (b"\x7fELF", "a program", "choose a file with text"),
)


def kind_of(sample: bytes, name: str) -> Source:
    """The format, encoding and delimiter of what begins with `sample`. Raises FormatError for what is not read."""
    if sample.startswith(b"PAR1"):
        return Source("parquet")
    if sample.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        # The list of a zip's files is at its end; what a workbook begins with is at its beginning.
        workbook = name.lower().endswith((".xlsx", ".xlsm")) or b"[Content_Types].xml" in sample[:2000]
        return Source("xlsx" if workbook else "zip")
    for magic, what, instead in REFUSED:
        if sample.startswith(magic):
            raise FormatError(f"{name} is {what}: {instead}. What can be read: {SUPPORTED}.")
    encoding = detect(sample)
    text = b"".join(as_utf8([sample], encoding))
    if _is_binary(text):
        raise FormatError(f"{name} is not text that can be read. What can be read: {SUPPORTED}.")
    form = _text_format(text, name)
    delimiter = ","
    if form == "csv":
        tabs = name.lower().endswith((".tsv", ".tab"))
        delimiter = guess_delimiter(text[:65536].decode("utf-8", "ignore"), "\t" if tabs else ",")
        form = "tsv" if delimiter == "\t" else "csv"
    notes = ("Only the rows of the list in the file are read, not what stands around it.",)
    return Source(form, (), encoding, delimiter=delimiter, notes=notes if form == "json" and before_rows(text) else ())


def _is_binary(text: bytes) -> bool:
    """Control characters that no text has, more than one in thirty bytes."""
    head = text[:4096]
    return len(re.findall(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]", head)) * 30 > len(head)


def _text_format(text: bytes, name: str) -> str:
    form = BY_NAME.get(PurePosixPath(name.lower()).suffix, "")
    head = text.lstrip()
    if form in ("csv", "text"):
        return form
    if head[:1] == b"[":
        return "jsonl" if form == "jsonl" and _first_line_is_whole(head) else "json"
    if head[:1] == b"{":
        if form != "jsonl" and before_rows(head) and not head.partition(b"\n")[2].strip():
            return "json"  # the whole file in one line
        # Many files named .json hold JSON Lines, and some named .jsonl hold pretty-printed objects.
        return "jsonl" if _first_line_is_whole(head) or (form == "jsonl" and not _is_pretty(head)) else "json"
    if form:
        return form if form == "jsonl" else "json"
    delimiter = guess_delimiter(text[:8192].decode("utf-8", "ignore"), "")
    return "csv" if delimiter else "text"


def _first_line_is_whole(head: bytes) -> bool:
    line, newline, _ = head.partition(b"\n")
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return bool(newline) or head[:1] == b"{"


def _is_pretty(head: bytes) -> bool:
    """A first line that ends with an opening bracket, or right after a comma, goes on in the next."""
    return head.partition(b"\n")[0].rstrip().endswith((b"{", b"[", b","))
