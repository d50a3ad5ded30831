"""Calls to addresses that people type in: which hosts may be reached, and a download with caps.

A URL that was checked may still lead elsewhere: the name resolves differently the second time, or the server redirects.
So the check sits where the connection is made. A `Gate` resolves a name once, looks at all its addresses, and aiohttp
connects to those addresses and no others; every redirect goes through the same gate.
"""

import asyncio
import ipaddress
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

# Public by their number, internal by their use: the wire server of a large cloud, and 6to4's old relay.
NEVER = tuple(ipaddress.ip_network(n) for n in ("168.63.129.16/32", "192.88.99.0/24"))
PRIVATE = (
    "{} is on a private or reserved network, which is not allowed here: use a public address, or ask whoever runs this "
    "installation to allow the host in its settings."
)
PORT = (
    "Port {} is not allowed here: use an address with port {}, or ask whoever runs this installation to allow the host "
    "in its settings."
)
GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
NAT64 = tuple(ipaddress.IPv6Network(n) for n in ("64:ff9b::/96", "64:ff9b:1::/48"))


class Refused(ValueError):
    """The address may not be reached, or the answer broke a cap; the message is a sentence for people."""


class Answered(Refused):
    """The server was reached and answered with a status that is no file."""

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
class Fetched:
    """What a download left: the file, the address that answered in the end, a safe file name, the type, the size."""

    path: Path
    url: str
    name: str
    content_type: str
    size: int


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, also when an IPv4 address hides in an IPv6 one."""
    ip = ipaddress.ip_address(address.split("%")[0])
    if any(ip in network for network in NEVER if network.version == ip.version):
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = _embedded(ip)
        if inner is not None:
            return is_public(str(inner))
        if ip not in GLOBAL_UNICAST:
            return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified or ip.is_link_local)


def _embedded(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that a v4-mapped, NAT64, 6to4 or Teredo address leads to."""
    if ip.ipv4_mapped:
        return ip.ipv4_mapped
    if any(ip in network for network in NAT64):
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    if ip.sixtofour:
        return ip.sixtofour
    return ip.teredo[1] if ip.teredo else None


class Gate:
    """Decides which hosts may be reached.

    `private_hosts` lists what may be reached although it is not public: host names, addresses, networks such as
    "10.0.0.0/8", or "*" for everything. `ports` empty means any port.
    """

    def __init__(self, private_hosts: Sequence[str] = (), ports: frozenset[int] = frozenset()) -> None:
        self.open = "*" in private_hosts
        self.names = {host.lower().strip("[]") for host in private_hosts}
        self.networks = [network for host in private_hosts if (network := _network(host)) is not None]
        self.ports = ports
        self._admitted: set[str] = set()

    def check_url(self, url: str) -> URL:
        """The parsed address; Refused when it is no plain http(s) one or names a host or port that is not allowed."""
        if re.search(r"[\s\\\x00-\x1f\x7f]", url):
            raise Refused("The address contains a blank, a backslash or a control character: remove it.")
        try:
            parsed = URL(url)
        except ValueError:
            raise Refused("This is not an address: write it as https://host/path.") from None
        if parsed.scheme not in ("http", "https"):
            raise Refused("Only addresses that begin with http:// or https:// can be used.")
        if not parsed.host:
            raise Refused("The address names no host: write it as https://host/path.")
        if parsed.user is not None or parsed.password is not None:
            raise Refused("The address contains a user name or password: leave them out.")
        if self.ports and parsed.port not in self.ports and parsed.host.lower() not in self.names:
            allowed = " or ".join(str(port) for port in sorted(self.ports))
            raise Refused(PORT.format(parsed.port, allowed))
        if _is_literal(parsed.host):
            self.admit(parsed.host, [parsed.host])
        return parsed

    def admit(self, host: str, addresses: Sequence[str]) -> None:
        """Refused unless every address of the host may be reached; one bad address among good ones refuses the host."""
        for address in addresses:
            if not self._allowed(host, address):
                # The address is not repeated: it would tell a stranger what the inside of the network looks like.
                raise Refused(PRIVATE.format(host))
        self._admitted.update(addresses)

    def connector(self, **options: Any) -> aiohttp.TCPConnector:
        """An aiohttp connector that connects only to admitted addresses; made inside a running loop."""
        return aiohttp.TCPConnector(resolver=_Resolver(self), socket_factory=self._socket, **options)

    def _allowed(self, host: str, address: str) -> bool:
        if self.open or host.lower() in self.names or is_public(address):
            return True
        ip = ipaddress.ip_address(address.split("%")[0])
        return any(ip in network for network in self.networks if network.version == ip.version)

    def _socket(self, info: AddrInfoType) -> socket.socket:
        # The last look: aiohttp resolves no IP literal, so this sees what the resolver did not.
        address = str(info[4][0])
        if not (self.open or address in self._admitted or is_public(address)):
            raise Refused(PRIVATE.format(address))
        return socket.socket(info[0], info[1], info[2])


class _Resolver(AbstractResolver):
    """The system's resolver behind a gate."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._system = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._system.resolve(host, port, family)
        self._gate.admit(host, [result["host"] for result in found])
        return found

    async def close(self) -> None:
        await self._system.close()


def fetch(url: str, to_path: Path, caps: Caps | None = None, private_hosts: Sequence[str] = ()) -> Fetched:
    """Download a URL into a file, streaming.

    Raises Refused with a sentence when the address may not be reached, the server does not answer well, or a cap is
    passed; nothing is left at `to_path` then. Not for use inside a running event loop.
    """
    caps = caps or Caps()
    try:
        return asyncio.run(_fetch(url, to_path, caps, Gate(private_hosts, caps.ports)))
    except BaseException as error:
        to_path.unlink(missing_ok=True)
        raise _sentence(error, url, caps) from error


def _sentence(error: BaseException, url: str, caps: Caps) -> BaseException:
    """The error as Refused with a sentence; what is no matter of the network stays as it is."""
    refusal = refusal_in(error)
    if refusal is not None:
        return refusal
    host = URL(url).host
    if isinstance(error, TimeoutError):
        return Refused(f"{host} did not send the file within {caps.seconds:.0f} seconds.")
    if isinstance(error, aiohttp.ClientError | zlib.error):
        return Refused(broken(error, host))
    return error


def broken(error: BaseException, host: str | None) -> str:
    """What became of a connection, as a sentence."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"The name {host} could not be found: check the address."
    if isinstance(error, aiohttp.ClientSSLError):
        return f"No safe connection to {host}: its certificate is not trusted, or it does not speak https there."
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"Nothing answers at {host}:{error.port}: check the address, and that it is running."
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return f"{host} closed the connection without an answer."
    return f"The connection to {host} failed: {type(error).__name__}."


def refusal_in(error: BaseException | None) -> Refused | None:
    """The Refused among an error's causes, if the gate was what stopped the call."""
    while error is not None:
        if isinstance(error, Refused):
            return error
        error = error.__cause__ or error.__context__
    return None


async def _fetch(url: str, to_path: Path, caps: Caps, gate: Gate) -> Fetched:
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
                    raise Answered(
                        f"{target.host} answered {response.status}: check that the address can be opened.",
                        response.status,
                    )
                return await _save(response, to_path, caps)
    raise Refused(f"{URL(url).host} redirected more than {caps.redirects} times.")


def _location(response: aiohttp.ClientResponse) -> str:
    location = response.headers.get("Location", "")
    if not location:
        raise Refused(f"{response.url.host} redirected without saying where to.")
    return location


async def _save(response: aiohttp.ClientResponse, to_path: Path, caps: Caps) -> Fetched:
    if (response.content_length or 0) > caps.max_bytes:
        raise Refused(f"The file is larger than the {_mb(caps.max_bytes)} that may be imported.")
    unpack = _unpacker(response.headers.get("Content-Encoding", "identity").lower())
    size = 0
    with to_path.open("wb") as out:
        async for chunk in response.content.iter_chunked(256 * 1024):
            size = _write(out, unpack, chunk, size, caps)
    if unpack is not None and not unpack.eof:
        raise Refused(f"{response.url.host} ended the file in the middle: try again.")
    return Fetched(to_path, str(response.url), _file_name(response), response.content_type, size)


def _write(out: BinaryIO, unpack: Any, chunk: bytes, size: int, caps: Caps) -> int:
    """Write one chunk, decoded, and give the new size; a bomb is noticed before it is in memory."""
    if unpack is not None:
        # One byte above the cap is enough to know that it is passed.
        chunk = unpack.decompress(chunk, caps.max_bytes - size + 1)
    size += len(chunk)
    if size > caps.max_bytes:
        raise Refused(f"The file is larger than the {_mb(caps.max_bytes)} that may be imported.")
    out.write(chunk)
    return size


def _unpacker(encoding: str) -> Any:
    if encoding == "identity":
        return None
    if encoding == "gzip":
        return zlib.decompressobj(wbits=31)
    raise Refused(f"The server packed the file as {encoding[:20]}, though it was asked not to.")


def _file_name(response: aiohttp.ClientResponse) -> str:
    """A name without folders or odd characters, from the answer's own or the address's last part."""
    disposition = response.content_disposition
    raw = (disposition.filename if disposition else None) or unquote(response.url.path)
    name = PurePosixPath(raw.replace("\\", "/")).name
    return re.sub(r"[^\w.\- ]", "_", name)[:120].lstrip(".") or "download"


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return None


def _is_literal(host: str) -> bool:
    return _network(host.split("%")[0]) is not None


def _mb(count: int) -> str:
    return f"{count / 1_000_000:.0f} MB" if count >= 1_000_000 else f"{count} bytes"
