"""IP addresses: whether one is public or this machine's own, and the many ways of writing one."""

import ipaddress
import socket
from functools import lru_cache

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
# Public by their number, internal by their use: the wire server of a large cloud, and 6to4's old relay.
NEVER = tuple(ipaddress.ip_network(n) for n in ("168.63.129.16/32", "192.88.99.0/24"))
GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
NAT64 = tuple(ipaddress.IPv6Network(n) for n in ("64:ff9b::/96", "64:ff9b:1::/48"))
# Endings that no public name has, by rule (RFC 2606, 6761, 6762, 8375, ICANN on .internal) or by custom.
PRIVATE_ENDINGS = (".localhost", ".localdomain", ".local", ".internal", ".intranet", ".lan", ".home.arpa", ".corp")
UNUSED = "192.0.2.1"  # an address for documentation: no machine has it


def parsed(address: str) -> IPAddress:
    """Parse an IP address; the IPv4 address inside a v4-mapped one is extracted. Raises ValueError."""
    ip = ipaddress.ip_address(address.split("%")[0])
    return (ip.ipv4_mapped or ip) if isinstance(ip, ipaddress.IPv6Address) else ip


def is_public(address: str) -> bool:
    """Return whether an IP address is one of the public internet, also when an IPv4 address is hidden in an IPv6 one."""
    ip = parsed(address)
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
    """Return the IPv4 address that a NAT64, 6to4 or Teredo address leads to."""
    if any(ip in network for network in NAT64):
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    if ip.sixtofour:
        return ip.sixtofour
    return ip.teredo[1] if ip.teredo else None


def is_own(address: str) -> bool:
    """Return whether the address is an interface's of this machine.

    A call to it never leaves the machine, nor meets its firewall.
    """
    if _binds_anything():
        return _source_for(address) == str(parsed(address))
    return _binds(address)


def _binds(address: str) -> bool:
    """Return whether the address can be bound. Only one's own can; a UDP port that is bound for a moment disturbs nobody."""
    ip = parsed(address)
    try:
        with socket.socket(_family(ip), socket.SOCK_DGRAM) as probe:
            probe.bind((str(ip), 0))
    except OSError:
        return False
    return True


@lru_cache(maxsize=1)
def _binds_anything() -> bool:
    """Return whether the kernel is set to bind others' addresses too (net.ipv4.ip_nonlocal_bind, on load balancers)."""
    return _binds(UNUSED)


def _source_for(address: str) -> str:
    """Return the address that a call there would come from: the same one if it is this machine's. Nothing is sent."""
    ip = parsed(address)
    try:
        with socket.socket(_family(ip), socket.SOCK_DGRAM) as probe:
            probe.connect((str(ip), 9))
            return str(parsed(probe.getsockname()[0]))
    except OSError:
        return ""


def _family(ip: IPAddress) -> socket.AddressFamily:
    return socket.AF_INET if ip.version == 4 else socket.AF_INET6


def numeric(host: str) -> str | None:
    """Return the IP address that a host is, however it is written (127.1, 0x7f.1, 2130706433, 0177.0.0.1); None for a name."""
    try:
        return str(parsed(host))
    except ValueError:
        pass
    try:
        # The system's own reading, and no question to a name server.
        places = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return None
    return str(parsed(str(places[0][4][0])))


def is_inner_name(host: str) -> bool:
    """Return whether a name can only be one of this machine or its network: it is refused before any name server is asked."""
    return "." not in host or host.endswith(PRIVATE_ENDINGS) or host == socket.gethostname().lower()
