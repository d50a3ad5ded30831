"""Detection of a file's format, by its first bytes and then by its name."""

import re
from pathlib import PurePosixPath

import orjson

from curation.formats.readers.encodings import as_utf8, detect
from curation.formats.readers.json_arrays import before_rows
from curation.formats.readers.layouts import SAMPLE as LAYOUT_SAMPLE
from curation.formats.readers.layouts import guess_layout, is_table
from curation.formats.readers.rows import FormatError, Source

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
    (b"\x89PNG", "an image", "choose a file with text"),
    (b"\xff\xd8\xff", "an image", "choose a file with text"),
    (b"GIF8", "an image", "choose a file with text"),
    (b"\x80\x04", "a Python pickle, which may run programs", "write it as JSON Lines"),
    (b"\x7fELF", "a program", "choose a file with text"),
)


PRINTED = re.compile(rb"\[?\{'[^'\n]{1,80}': .*[}\]],?\s*$")  # a line that Python printed: an object with single quotes


def kind_of(sample: bytes, name: str) -> Source:
    """Return the format, encoding and delimiter of a file that begins with `sample`.

    Raises FormatError for unreadable formats.
    """
    if sample.startswith(b"PAR1"):
        return Source("parquet")
    if sample.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        # The list of a zip's files is at its end; what a workbook begins with is at its beginning.
        workbook = name.lower().endswith((".xlsx", ".xlsm")) or b"[Content_Types].xml" in sample[:2000]
        return Source("xlsx" if workbook else "zip")
    for magic, what, instead in REFUSED:
        if sample.startswith(magic):
            raise FormatError(f"{name} is {what}: {instead}. Supported formats: {SUPPORTED}.")
    encoding = detect(sample)
    text = b"".join(as_utf8([sample], encoding))
    if _is_binary(text):
        raise FormatError(f"{name} isn't readable text. Supported formats: {SUPPORTED}.")
    form, note = _text_format(text, name)
    notes = (note,) if note else ()
    if form == "csv":
        tabs = name.lower().endswith((".tsv", ".tab"))
        layout = guess_layout(text[:LAYOUT_SAMPLE].decode("utf-8", "ignore"), "\t" if tabs else ",")
        form = "tsv" if layout.delimiter == "\t" else "csv"
        return Source(form, (), encoding, **layout._asdict(), notes=notes)
    if form == "json" and before_rows(text):
        notes = (*notes, "Only the rows of the list in the file are read, not the values around it.")
    return Source(form, (), encoding, notes=notes)


def _is_binary(text: bytes) -> bool:
    """Return whether there are control characters that no text has, more than one in thirty bytes."""
    head = text[:4096]
    return len(re.findall(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]", head)) * 30 > len(head)


def _text_format(text: bytes, name: str) -> tuple[str, str]:
    """Return the format, and a note if it is another than the name says."""
    suffix = PurePosixPath(name.lower()).suffix
    form = BY_NAME.get(suffix, "")
    head = text.lstrip()
    if form == "text" and suffix in (".txt", ".text"):
        return _in_a_text_file(head, suffix)
    if form in ("csv", "text"):
        return form, ""
    if head[:1] == b"[":
        return "jsonl" if form == "jsonl" and _first_line_is_whole(head) else "json", ""
    if head[:1] == b"{":
        if form != "jsonl" and before_rows(head) and not head.partition(b"\n")[2].strip():
            return "json", ""  # the whole file in one line
        # Many files named .json hold JSON Lines, and some named .jsonl hold pretty-printed objects.
        is_lines = _first_line_is_whole(head) or (form == "jsonl" and not _is_pretty(head))
        return "jsonl" if is_lines else "json", ""
    if form:
        return form if form == "jsonl" else "json", ""
    return "csv" if guess_layout(text[:8192].decode("utf-8", "ignore"), "").delimiter else "text", ""


def _in_a_text_file(head: bytes, suffix: str) -> tuple[str, str]:
    """Return what a file named .txt holds: JSON, a table whose lines all have as many cells as its names, or text."""
    start, _, rest = head.partition(b"\n")
    if start[:1] == b"{" and _first_line_is_whole(head):
        return "jsonl", f"The name ends in {suffix}, but each line is JSON, so lines are rows."
    if PRINTED.match(start):
        return "jsonl", f"The name ends in {suffix}, but each line is what Python prints, so lines are rows."
    if start[:2] == b"[{" and rest.lstrip()[:1] in (b"", b"{", b'"', b"]"):
        return "json", f"The name ends in {suffix}, but the file is JSON, so it is read as rows."
    text = head[:LAYOUT_SAMPLE].decode("utf-8", "ignore")
    layout = guess_layout(text, "")
    if layout.delimiter and layout.header == 1 and is_table(text, layout):
        return "csv", f"The name ends in {suffix}, but its lines are those of a table, so they are read as rows."
    return "text", ""


def _first_line_is_whole(head: bytes) -> bool:
    line, newline, _ = head.partition(b"\n")
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return bool(newline) or head[:1] == b"{"


def _is_pretty(head: bytes) -> bool:
    """Return whether JSON is pretty-printed: its first line ends with an opening bracket, or right after a comma."""
    return head.partition(b"\n")[0].rstrip().endswith((b"{", b"[", b","))
