"""Compressed files: gz, and zips of other readable files. Their names are shown, never used as paths."""

import gzip
import zipfile
import zlib
from pathlib import PurePosixPath
from typing import IO

from curation.formats.readers.encodings import Readable
from curation.formats.readers.rows import LIMITS, FormatError

JUNK = ("__MACOSX/", ".DS_Store", "Thumbs.db", "desktop.ini")


class UnpackingStream:
    """A stream that counts the bytes it unpacks, and stops a decompression bomb.

    Raises FormatError from `read` when more comes out than `LIMITS` allow for `packed` bytes, or when it is damaged.
    """

    def __init__(self, stream: Readable, packed: int, name: str) -> None:
        self.stream, self.packed, self.name = stream, packed, name
        self.given = 0

    def read(self, size: int = -1, /) -> bytes:
        try:
            block = self.stream.read(size if size >= 0 else LIMITS.row)
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
            raise FormatError(f"{self.name} is damaged and cannot be unpacked ({error}). Pack it again.") from error
        self.given += len(block)
        if self.given > LIMITS.unpacked:
            raise FormatError(f"{self.name} unpacks to more than {LIMITS.unpacked >> 30} GB. Split it.")
        if self.given > LIMITS.ratio_from and self.given > LIMITS.ratio * max(self.packed, 1):
            text = (
                f"{self.name} unpacks to more than {LIMITS.ratio} times its size, so it is refused. Send it unpacked."
            )
            raise FormatError(text)
        return block


def open_gzip(file: IO[bytes], size: int, name: str) -> UnpackingStream:
    return UnpackingStream(gzip.GzipFile(fileobj=file), size, name)


def open_zip(file: IO[bytes], size: int) -> zipfile.ZipFile:
    """Open a zip. Raises FormatError for what is no zip, or a zip with too many files, or one that declares too much."""
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise FormatError(f"This zip is damaged ({error}). Pack it again.") from error
    members = archive.infolist()
    if len(members) > LIMITS.entries:
        raise FormatError(f"The zip holds {len(members):,} files; at most {LIMITS.entries:,} can be read.")
    declared = sum(member.file_size for member in members)
    if declared > LIMITS.ratio_from and declared > LIMITS.ratio * max(size, 1):
        raise FormatError(
            f"The zip unpacks to more than {LIMITS.ratio} times its size, so it is refused. Send it unpacked."
        )
    if declared > LIMITS.unpacked:
        raise FormatError(f"The zip unpacks to {declared >> 30:,} GB; at most {LIMITS.unpacked >> 30} GB can be read.")
    return archive


def members_of(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Return the files worth reading: no folders, and not what desktop systems leave behind."""
    return [member for member in archive.infolist() if not member.is_dir() and not _is_junk(member.filename)]


def _is_junk(name: str) -> bool:
    return name.startswith(JUNK[0]) or PurePosixPath(name).name in JUNK[1:] or PurePosixPath(name).name.startswith("._")


def shown(name: str) -> str:
    """Return a member's name for people: bounded, one line. It is never used as a path."""
    return "".join(character if character.isprintable() else "?" for character in name)[:200]


def open_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> UnpackingStream:
    """Open a member of a zip. Raises FormatError for an encrypted or damaged one."""
    name = shown(member.filename)
    if member.flag_bits & 1:
        raise FormatError(f"{name} is encrypted. Pack it again without a password.")
    try:
        return UnpackingStream(archive.open(member), member.compress_size, name)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError, EOFError) as error:
        raise FormatError(f"{name} cannot be unpacked ({error}). Pack it again.") from error
