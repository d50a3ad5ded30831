"""Private hosts that an installation opens to outbound calls: each a host with its port, as in `localhost:11434`."""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

from atelier.network.addresses import parsed

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
# People write any of the three for the same server, and `localhost` resolves to both addresses.
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
EXAMPLES = "localhost:11434, 10.0.0.5:8000, [::1]:8000, 10.0.0.0/8:8000 or gpu.lan:8000-8010"


@dataclass(frozen=True)
class Opening:
    """A host name or a network (an address is the smallest), and its first and last open port."""

    host: str | Network
    first: int
    last: int

    def admits(self, host: str, port: int, address: str = "") -> bool:
        """Return whether a host may be called at a port; with `address` also when only what its name leads to is opened."""
        if not self.first <= port <= self.last:
            return False
        if isinstance(self.host, str):
            return host == self.host
        if address == "":
            return False
        ip = parsed(address)
        return ip.version == self.host.version and ip in self.host


def parse(text: str) -> tuple[Opening, ...]:
    """Parse the openings of a setting, separated by blanks or commas. Raises ValueError with a sentence for an unclear one."""
    return tuple(opening for pair in text.replace(",", " ").split() for opening in _openings(pair))


def of(host: str, port: int) -> tuple[Opening, ...]:
    """Return what opens exactly one host (a name or an address) and port."""
    return _openings(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")


def admits(openings: Sequence[Opening], host: str, port: int, address: str = "") -> bool:
    """Return whether one of the openings allows a call."""
    return any(opening.admits(host, port, address) for opening in openings)


def _openings(pair: str) -> tuple[Opening, ...]:
    host, separator, ports = pair.rpartition(":")
    if not separator or pair.endswith("]") or "://" in pair or (":" in host and not host.startswith("[")):
        raise _unclear(pair, "has no host with a port")
    first, last = _ports(pair, ports)
    host = host.lower().rstrip(".")
    inner = host.removeprefix("[").removesuffix("]")
    if (":" in inner) != (host == f"[{inner}]"):
        raise _unclear(pair, "has brackets around something that isn't an IPv6 address")
    if inner in LOOPBACK:
        hosts: list[str | Network] = ["localhost", *map(ipaddress.ip_network, sorted(LOOPBACK - {"localhost"}))]
        return tuple(Opening(each, first, last) for each in hosts)
    return (Opening(_host(pair, inner), first, last),)


def _ports(pair: str, text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", text)
    if not match:
        raise _unclear(pair, f"has {text[:20]!r} in place of a port")
    first, last = int(match[1]), int(match[2] or match[1])
    if not 1 <= first <= last <= 65535:
        raise _unclear(pair, "has a port outside 1 to 65535, or a range that runs backwards")
    return first, last


def _host(pair: str, host: str) -> str | Network:
    try:
        network = ipaddress.ip_network(host)
    except ValueError as error:
        if "/" in host or ":" in host or re.fullmatch(r"[0-9.]+|0x[0-9a-fx.]*", host):
            raise _unclear(pair, f"has no address or network before its port ({error})") from None
        if not NAME.fullmatch(host):
            raise _unclear(pair, "has no host name before its port") from None
        return host
    if network.prefixlen == 0 or network.network_address.is_unspecified:
        raise _unclear(pair, "would open every host, or none in particular")
    if isinstance(network, ipaddress.IPv6Network) and network.network_address.ipv4_mapped:
        raise _unclear(pair, "hides an IPv4 address in an IPv6 one")
    return network


def _unclear(pair: str, what: str) -> ValueError:
    return ValueError(f"“{pair[:100]}” {what}. Write each host with its port, such as {EXAMPLES}.")
