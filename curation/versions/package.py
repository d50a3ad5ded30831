"""The download of a version as one zip, built while it is sent: its data card and the splits' JSONL."""

import zipfile
from collections.abc import Iterator
from typing import BinaryIO

from curation.formats.writers.base import Sink
from curation.models import Version
from curation.records.splits import SPLITS
from curation.versions import card as data_card
from curation.versions import files as version_files

CHUNK = 1 << 18


def pack(version: Version) -> Iterator[bytes]:
    """Yield the zip in pieces. Raises ValidationError before the first one when a file is not what was frozen."""
    present = [split for split in SPLITS if version.counts()[split]]
    streams = {split: version_files.open_split(version, split) for split in present}
    return _pieces(data_card.file(version).encode(), streams)


def _pieces(card: bytes, streams: dict[str, BinaryIO]) -> Iterator[bytes]:
    sink = Sink()
    try:
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
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
