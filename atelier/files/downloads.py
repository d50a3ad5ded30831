"""File downloads as streamed responses. Under ASGI a plain iterator would be read to its end before the first byte is sent."""

from collections.abc import AsyncIterator, Iterator
from itertools import islice

from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse

PIECES = 64


def download(pieces: Iterator[bytes], name: str, kind: str = "application/x-ndjson") -> StreamingHttpResponse:
    """Respond with a file, JSONL by default, that is sent while it is generated. `name` is Atelier's, never a person's text."""
    response = StreamingHttpResponse(_in_thread(pieces), content_type=f"{kind}; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


async def _in_thread(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    take = sync_to_async(lambda: b"".join(islice(pieces, PIECES)))
    while piece := await take():
        yield piece
