"""Outbound calls to URLs that people type in (SSRF protection): which hosts may be reached, and a download with caps.

A URL that was checked may still lead elsewhere: the name resolves differently the second time, or the server redirects.
So the check is done where the connection is made. A `Gate` resolves a name once, checks all its addresses, and aiohttp
connects to those addresses and no others; every redirect passes the same gate.
"""

import asyncio
import re
import socket
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO
from urllib.parse import unquote

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import AddrInfoType
from yarl import URL

from atelier.network import addresses, openings
from atelier.network.openings import Opening

PRIVATE = "{} is on a private network or on this machine, so it can't be used here."
OPEN = " If you run this installation, {} and restart it; otherwise ask its administrator."
PORT = "Only ports {} can be used here, not {}."
# Setting a list that has nothing yet, or adding to it: the words say exactly what to write.
FIRST, MORE = "set {setting}={place}", "add {place} to {setting}"


class OutboundRefused(ValueError):
    """A URL that may not be reached, or a response that broke a cap; the message is a sentence for people."""


class UnexpectedStatus(OutboundRefused):
    """A response of the server with a status that is no file."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Caps:
    """Limits of one download: decoded bytes, seconds in all and between two reads, redirects, ports."""

    max_bytes: int = 512 * 1024 * 1024
    seconds: float = 300.0
    idle_seconds: float = 20.0
    redirects: int = 5
    ports: frozenset[int] = frozenset({80, 443})


@dataclass(frozen=True)
class DownloadedFile:
    """A finished download: the file, the URL that answered in the end, a safe file name, the type, the size."""

    path: Path
    url: str
    name: str
    content_type: str
    size: int


class Gate:
    """Decides which hosts may be reached.

    `private_hosts` are the openings: what may be reached although it is not public. `ports` empty means any port.
    `setting` is the one that opens more, named in refusals.
    """

    def __init__(
        self, private_hosts: Sequence[Opening] = (), ports: frozenset[int] = frozenset(), setting: str = ""
    ) -> None:
        self.private_hosts = tuple(private_hosts)
        self.ports = ports
        self.setting = setting
        self.is_private = False  # whether a private host was let through
        self._admitted: set[tuple[str, int]] = set()

    def check_url(self, url: str) -> URL:
        """Return the parsed URL. Raises OutboundRefused when it is no plain http(s) one or names a host or port that is not
        allowed.
        """
        if re.search(r"[\s\\\x00-\x1f\x7f]", url):
            raise OutboundRefused("The URL contains a blank, a backslash or a control character. Remove it.")
        try:
            parsed = URL(url)
        except ValueError:
            raise OutboundRefused("This isn't a URL. Write it as https://host/path.") from None
        if parsed.scheme not in ("http", "https"):
            raise OutboundRefused("Only URLs that begin with http:// or https:// can be used.")
        if not parsed.raw_host or parsed.port is None:
            raise OutboundRefused("The URL has no host. Write it as https://host/path.")
        if parsed.user is not None or parsed.password is not None:
            raise OutboundRefused("The URL contains a user name or password. Remove them.")
        self._check_host(_bare(parsed.raw_host), parsed.port)
        return parsed

    def _check_host(self, host: str, port: int) -> None:
        """Check what is visible without asking a name server; the rest is checked when the connection is made."""
        address = addresses.numeric(host)
        if address in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
            raise OutboundRefused(f"{host} means every address of a machine. Enter a specific one, such as localhost.")
        is_open = openings.admits(self.private_hosts, host, port, address or "")
        if self.ports and port not in self.ports and not is_open:
            allowed = " and ".join(str(number) for number in sorted(self.ports))
            raise OutboundRefused(PORT.format(allowed, port) + self._how_to_open(address or host, port))
        if address is not None:
            self.admit(address, port, [address])
        elif addresses.is_inner_name(host) and not is_open:
            raise OutboundRefused(self._private(host, port))

    def admit(self, host: str, port: int, resolved: Sequence[str]) -> None:
        """Raise OutboundRefused unless every address of the host may be reached.

        One bad address among good ones refuses the host.
        """
        host = _bare(host)
        for address in resolved:
            if addresses.is_public(address) and not addresses.is_own(address):
                continue
            if not openings.admits(self.private_hosts, host, port, address):
                # The address is not repeated: it would tell a stranger what the inside of the network looks like.
                raise OutboundRefused(self._private(host, port))
            self.is_private = True
        self._admitted.update((str(addresses.parsed(address)), port) for address in resolved)

    def connector(self, **options: Any) -> aiohttp.TCPConnector:
        """Return an aiohttp connector that connects only to admitted addresses; call it inside a running loop."""
        return aiohttp.TCPConnector(resolver=_Resolver(self), socket_factory=self._socket, **options)

    def _private(self, host: str, port: int) -> str:
        return PRIVATE.format(_place(host, port)) + self._how_to_open(host, port)

    def _how_to_open(self, host: str, port: int) -> str:
        if not self.setting:
            return ""
        words = MORE if self.private_hosts else FIRST
        return OPEN.format(words.format(setting=self.setting, place=_place(host, port)))

    def _socket(self, info: AddrInfoType) -> socket.socket:
        # The last look: aiohttp resolves no IP literal, so this sees what the resolver did not.
        address, port = str(info[4][0]), int(info[4][1])
        if (str(addresses.parsed(address)), port) not in self._admitted:
            raise OutboundRefused(PRIVATE.format(_place(address, port)))
        return socket.socket(info[0], info[1], info[2])


def _bare(host: str) -> str:
    """Return a host as openings have it: in small letters, without the brackets of an address and the root's dot."""
    return host.lower().strip("[]").removesuffix(".")


def _place(host: str, port: int) -> str:
    """Return host and port as a setting takes them."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class _Resolver(AbstractResolver):
    """The system's resolver behind a gate."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._system = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        places = await self._system.resolve(host, port, family)
        self._gate.admit(host, port, [result["host"] for result in places])
        return places

    async def close(self) -> None:
        await self._system.close()


def fetch(
    url: str, to_path: Path, caps: Caps | None = None, private_hosts: Sequence[Opening] = (), setting: str = ""
) -> DownloadedFile:
    """Download a URL into a file, streaming; `private_hosts` and `setting` are the gate's.

    Raises OutboundRefused with a sentence when the address may not be reached, the server does not answer well, or a cap is
    passed; nothing is left at `to_path` then. Not for use inside a running event loop.
    """
    caps = caps or Caps()
    try:
        return asyncio.run(_fetch(url, to_path, caps, Gate(private_hosts, caps.ports, setting)))
    except BaseException as error:
        to_path.unlink(missing_ok=True)
        raise _sentence(error, url, caps) from error


def _sentence(error: BaseException, url: str, caps: Caps) -> BaseException:
    """Return the error as OutboundRefused with a sentence; errors that do not concern the network stay as they are."""
    refusal = refusal_in(error)
    if refusal is not None:
        return refusal
    host = URL(url).host
    if isinstance(error, TimeoutError):
        return OutboundRefused(f"{host} did not send the file within {caps.seconds:.0f} seconds.")
    if isinstance(error, aiohttp.ClientError | zlib.error):
        return OutboundRefused(broken(error, host))
    return error


def broken(error: BaseException, host: str | None) -> str:
    """Describe a broken connection, as a sentence."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"The host {host} was not found. Check the URL."
    if isinstance(error, aiohttp.ClientSSLError):
        return f"No secure connection to {host}: its certificate isn't trusted, or the port doesn't speak https."
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"Nothing answers at {host}:{error.port}. Check the URL, and that the server is running."
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return f"{host} closed the connection without an answer."
    return f"The connection to {host} failed: {type(error).__name__}."


def refusal_in(error: BaseException | None) -> OutboundRefused | None:
    """Return the OutboundRefused among an error's causes, if the gate was what stopped the call."""
    while error is not None:
        if isinstance(error, OutboundRefused):
            return error
        error = error.__cause__ or error.__context__
    return None


async def _fetch(url: str, to_path: Path, caps: Caps, gate: Gate) -> DownloadedFile:
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=caps.idle_seconds)
    async with (
        asyncio.timeout(caps.seconds),
        aiohttp.ClientSession(connector=gate.connector(), timeout=timeout, auto_decompress=False) as session,
    ):
        for _ in range(caps.redirects + 1):
            target = gate.check_url(url)
            headers = {"Accept-Encoding": "identity", "User-Agent": "atelier"}
            async with session.get(target, allow_redirects=False, headers=headers) as response:
                if response.status in (301, 302, 303, 307, 308):
                    url = str(target.join(URL(_location(response))))
                    continue
                if response.status != 200:
                    raise UnexpectedStatus(
                        f"{target.host} answered {response.status}. Check that the URL can be opened.",
                        response.status,
                    )
                return await _save(response, to_path, caps)
    raise OutboundRefused(f"{URL(url).host} redirected more than {caps.redirects} times.")


def _location(response: aiohttp.ClientResponse) -> str:
    location = response.headers.get("Location", "")
    if not location:
        raise OutboundRefused(f"{response.url.host} sent a redirect without a target.")
    return location


async def _save(response: aiohttp.ClientResponse, to_path: Path, caps: Caps) -> DownloadedFile:
    if (response.content_length or 0) > caps.max_bytes:
        raise OutboundRefused(f"The file is larger than the allowed {_mb(caps.max_bytes)}.")
    unpack = _unpacker(response.headers.get("Content-Encoding", "identity").lower())
    size = 0
    with to_path.open("wb") as out:
        async for chunk in response.content.iter_chunked(256 * 1024):
            size = _write(out, unpack, chunk, size, caps)
    if unpack is not None and not unpack.eof:
        raise OutboundRefused(f"{response.url.host} closed the connection in the middle of the file. Try again.")
    return DownloadedFile(to_path, str(response.url), _file_name(response), response.content_type, size)


def _write(out: BinaryIO, unpack: Any, chunk: bytes, size: int, caps: Caps) -> int:
    """Write one chunk, decoded, and return the new size; a decompression bomb is noticed before it is in memory."""
    if unpack is not None:
        # One byte above the cap is enough to know that it is passed.
        chunk = unpack.decompress(chunk, caps.max_bytes - size + 1)
    size += len(chunk)
    if size > caps.max_bytes:
        raise OutboundRefused(f"The file is larger than the allowed {_mb(caps.max_bytes)}.")
    out.write(chunk)
    return size


def _unpacker(encoding: str) -> Any:
    if encoding == "identity":
        return None
    if encoding == "gzip":
        return zlib.decompressobj(wbits=31)
    raise OutboundRefused(f"The server compressed the file as {encoding[:20]} although compression was not requested.")


def _file_name(response: aiohttp.ClientResponse) -> str:
    """Return a name without folders or odd characters, from the response's own or the URL's last part."""
    disposition = response.content_disposition
    raw = (disposition.filename if disposition else None) or unquote(response.url.path)
    name = PurePosixPath(raw.replace("\\", "/")).name
    return re.sub(r"[^\w.\- ]", "_", name)[:120].lstrip(".") or "download"


def _mb(count: int) -> str:
    return f"{count / 1_000_000:.0f} MB" if count >= 1_000_000 else f"{count} bytes"
