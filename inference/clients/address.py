"""The base URL of an endpoint: scheme, host, port and path, and the one path below it that is called."""

import re

from yarl import URL

from atelier.network.outbound import Gate, OutboundRefused

COMPLETIONS = "/chat/completions"
# No percent signs: a server may read %2f or %2e as what they stand for, and then the path is another one.
SEGMENT = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._~@:+=,-]+")
EXAMPLE = "https://api.example.com/v1"


def base_url(url: str, gate: Gate) -> URL:
    """Return the URL with its path normalised. Raises OutboundRefused with a sentence when it may not or cannot be called."""
    base = gate.check_url(url)
    # Looked for in what was typed: the parser drops a mark that nothing follows.
    for mark, name in (("?", "a query"), ("#", "a fragment")):
        if mark in url:
            raise OutboundRefused(
                f"The URL contains {name} ({mark}). Enter only the part up to the path, such as {EXAMPLE}."
            )
    path = re.sub(r"^https?://[^/]*", "", url, flags=re.IGNORECASE)
    segments = [segment for segment in path.split("/") if segment]
    if wrong := [segment for segment in segments if not SEGMENT.fullmatch(segment)]:
        raise OutboundRefused(f"The path of the URL contains “{wrong[0][:40]}”. Enter a plain path, such as {EXAMPLE}.")
    return base.origin().with_path("/" + "/".join(segments))


def is_same(url: URL, other: URL) -> bool:
    """Return whether two URLs call the same thing, however their paths are quoted."""
    return (url.origin(), url.path, url.raw_query_string) == (other.origin(), other.path, other.raw_query_string)


def text_of(base: URL) -> str:
    """Return the URL as it is stored and shown: without a slash at its end."""
    return str(base).rstrip("/")
