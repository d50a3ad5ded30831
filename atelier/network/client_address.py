"""The client address of a request, as the rate limit counts it and the audit trail names it. No Django here."""

from ipaddress import IPv6Address, ip_address, ip_network

UNKNOWN = "unknown"
IPV6_HOME = 64  # bits: one household or server gets all addresses below such a prefix


def place(address: str) -> str:
    """Return what counts as one place: an IPv4 address, or the /64 network of an IPv6 one; `unknown` for anything else."""
    try:
        ip = ip_address(address.strip().partition("%")[0])
    except ValueError:
        return UNKNOWN
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ip_network((ip, IPV6_HOME), strict=False))
    return str(ip)


def plain(address: str) -> str:
    """Return the address in its shortest form; `unknown` if it is invalid, for a proxy may pass on anything."""
    try:
        parsed = ip_address(address.strip().partition("%")[0])
    except ValueError:
        return UNKNOWN
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)


def unreadable(proxies: list[str]) -> list[str]:
    """Return the trusted proxies that are neither an address nor a network."""
    return [proxy for proxy in proxies if not _is_network(proxy)]


def _is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True
