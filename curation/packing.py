"""A version as one zip: its data card and the splits' JSONL, made while it is sent, so that nothing large is held."""

import zipfile
from collections.abc import Iterator
from typing import BinaryIO

from curation import data_card, versions
from curation.models import Version
from curation.splits import SPLITS

CHUNK = 1 << 18


class _Sink:
    """What a zip file is written to: no file, a list that is taken away piece by piece."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, piece: bytes) -> int:
        self._pieces.append(bytes(piece))
        return len(piece)

    def flush(self) -> None:
        """Nothing waits."""

    def take(self) -> bytes:
        taken, self._pieces = b"".join(self._pieces), []
        return taken


def pack(version: Version) -> Iterator[bytes]:
    """The zip in pieces. Raises ValidationError before the first one when a file is not what was frozen."""
    present = [split for split in SPLITS if version.counts()[split]]
    streams = {split: versions.open_split(version, split) for split in present}
    return _pieces(data_card.file(version).encode(), streams)


def _pieces(card: bytes, streams: dict[str, BinaryIO]) -> Iterator[bytes]:
    sink = _Sink()
    try:
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:  # type: ignore[arg-type]
            packed.writestr(data_card.FILE, card)
            for split, stream in streams.items():
                with packed.open(f"{split}.jsonl", "w", force_zip64=True) as member:
                    while chunk := stream.read(CHUNK):
                        member.write(chunk)
                        yield sink.take()
        yield sink.take()
    finally:
        for stream in streams.values():
            stream.close()
