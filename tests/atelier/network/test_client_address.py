"""Where requests come from: places, and proxies that may say so."""

import asyncio

import pytest
from django.core.checks import run_checks
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from atelier.network import client_address


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("203.0.113.7", "203.0.113.7"),
        (" 203.0.113.7 ", "203.0.113.7"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", "unknown"),
        ("203.0.113.7, 10.0.0.1", "unknown"),
        ("0x7f.1", "unknown"),
        ("<script>", "unknown"),
        ("1" * 5000, "unknown"),
    ],
)
def test_a_place_is_an_address_or_the_network_of_a_household(address, place):
    assert client_address.place(address) == place


def seen(trusted: list[str], peer: str, *forwarded: str) -> str:
    """Return the address that the app sees, when a request comes from `peer` with these headers."""
    found = []

    async def app(scope, receive, send) -> None:
        found.append(scope["client"][0])

    headers = [(b"x-forwarded-for", value.encode("latin1")) for value in forwarded]
    scope = {"type": "http", "client": (peer, 1234), "headers": headers, "scheme": "http"}
    asyncio.run(ProxyHeadersMiddleware(app, trusted_hosts=trusted)(scope, None, None))
    return found[0]


def test_a_proxy_that_is_trusted_says_where_a_request_comes_from_and_nobody_else_does():
    assert seen(["127.0.0.1"], "127.0.0.1", "203.0.113.7") == "203.0.113.7"
    assert seen([], "127.0.0.1", "203.0.113.7") == "127.0.0.1"
    assert seen(["127.0.0.1"], "198.51.100.1", "203.0.113.7") == "198.51.100.1"
    assert seen(["172.30.83.0/24"], "172.30.83.1", "203.0.113.7") == "203.0.113.7"


def test_what_a_client_wrote_itself_before_the_proxy_added_its_address_does_not_count():
    assert seen(["127.0.0.1"], "127.0.0.1", "10.9.9.9, 203.0.113.7") == "203.0.113.7"
    assert seen(["127.0.0.1"], "127.0.0.1", "10.9.9.9", "203.0.113.7") == "203.0.113.7"
    assert client_address.place(seen(["127.0.0.1"], "127.0.0.1", "203.0.113.7, rubbish")) == "unknown"


def test_a_setting_that_names_no_address_is_an_error_that_says_how(settings):
    settings.TRUSTED_PROXIES = ["127.0.0.1", "10.0.0.0/8", "nginx", "10.0.0.1/8"]
    errors = [error for error in run_checks() if error.id == "atelier.E002"]
    assert [error.msg.split("'")[1] for error in errors] == ["nginx", "10.0.0.1/8"]
