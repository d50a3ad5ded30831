"""The gate for calls to addresses that people type in: names that change, redirects inward, files without an end.

"good.test" resolves to 127.0.0.2, which the tests allow; a second server on 127.0.0.1 stands for the inside of the
network: whatever a hostile name or redirect tries, it must receive no connection.
"""

import asyncio
import gzip
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from atelier.network import openings
from atelier.network.addresses import is_public
from atelier.network.outbound import Caps, DownloadedFile, Gate, OutboundRefused, fetch

GOOD, INSIDE = "127.0.0.2", "127.0.0.1"
# Loopback, private, link-local, shared, reserved, and the same hidden in IPv6 addresses.
ADDRESSES = """
    127.0.0.1 127.8.8.8 10.0.0.1 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 0.0.0.0 224.0.0.1 240.0.0.1
    255.255.255.255 192.0.2.1 198.18.0.1 168.63.129.16 ::1 :: fe80::1 fe80::1%eth0 fc00::1 fd00:ec2::254 ff02::1
    ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::127.0.0.1 64:ff9b::7f00:1 64:ff9b::a00:1 64:ff9b:1::a00:1 2002:7f00:1::
    2002:a9fe:a9fe::1 2001:db8::1 100::1 2001:0:4136:e378:8000:63bf:f5ff:fffe
"""
INTERNAL = ADDRESSES.split()
Handler = Callable[[web.Request], Any]


class Site:
    """A server in a thread; `pages` has responses by path, `connections` counts who connected."""

    def __init__(self, host: str, port: int = 0) -> None:
        self.pages: dict[str, Handler] = {}
        self.connections = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self._start(host, port), self._loop).result(60)

    async def _start(self, host: str, port: int) -> int:
        self._runner = web.ServerRunner(web.Server(self._answer))
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        return self._runner.addresses[0][1]

    async def _answer(self, request: web.BaseRequest) -> Any:
        self.connections += 1
        return await self.pages[request.path](request)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)
        self._loop.close()


@pytest.fixture
def good() -> Iterator[Site]:
    site = Site(GOOD)
    yield site
    site.close()


@pytest.fixture
def inside(good: Site) -> Iterator[Site]:
    site = Site(INSIDE, good.port)
    yield site
    site.close()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[list[str]]]:
    """Replace DNS by a hostile one: each name has a list of answers, given in turn; the last is repeated."""
    book: dict[str, list[list[str]]] = {"good.test": [[GOOD]]}
    system = socket.getaddrinfo

    def lookup(host: str, port: Any, *args: Any, **options: Any) -> Any:
        answers = book.get(host)
        is_literal_wanted = options.get("flags", 0) & socket.AI_NUMERICHOST  # nobody is asked for those
        if answers is None or is_literal_wanted:
            return system(host, port, *args, **options)
        addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        return [found for address in addresses for found in system(address, port, *args, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    return book


@pytest.fixture
def download(good: Site, names: Any, tmp_path: Path) -> Callable[..., DownloadedFile]:
    def run(path: str, host: str = "good.test", **caps: Any) -> DownloadedFile:
        limits = Caps(ports=frozenset({good.port}), **{"seconds": 5.0, **caps})
        return fetch(f"http://{host}:{good.port}{path}", tmp_path / "file", limits, openings.of(GOOD, good.port))

    return run


def page(body: bytes = b"a,b\n1,2\n", **headers: str) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=body, headers=headers)

    return answer


def redirect(to: str) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": to})

    return answer


def test_a_file_is_saved_with_its_name_and_size(good: Site, download: Any, tmp_path: Path) -> None:
    good.pages["/data/rows%20of%20may.csv"] = good.pages["/data/rows of may.csv"] = page()
    fetched = download("/data/rows%20of%20may.csv")
    assert (tmp_path / "file").read_bytes() == b"a,b\n1,2\n"
    assert (fetched.name, fetched.size) == ("rows of may.csv", 8)


def test_the_server_s_own_name_loses_its_folders(good: Site, download: Any) -> None:
    good.pages["/x"] = page(**{"Content-Disposition": 'attachment; filename="../../etc/cron.d/x"'})
    assert download("/x").name == "x"


@pytest.mark.parametrize(
    "address",
    INTERNAL,
)
def test_an_address_inside_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.1:{port}/",
        "http://0x7f.1:{port}/",
        "http://0x7f000001:{port}/",
        "http://2130706433:{port}/",
        "http://017700000001:{port}/",
        "http://127.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://[::]:{port}/",
        "http://0:{port}/",
        "http://good.test@127.0.0.1:{port}/",
        "http://good.test\\@127.0.0.1:{port}/",
        "http://127.0.0.1:{port}\\@good.test/",
        "http://127。0。0。1:{port}/",
        "http://①②⑦.0.0.1:{port}/",
        "http://127.0.0.1:{port}#@good.test/",
        "http://good.test\t@127.0.0.1:{port}/",
        "http:///path",
        "http://good.test:22/",
        "ftp://good.test/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:{port}/",
        "//127.0.0.1:{port}/",
        "good.test",
        "",
        "http://[::1",
    ],
)
def test_a_way_round_the_gate_is_refused_with_a_sentence(
    url: str, good: Site, inside: Site, names: Any, tmp_path: Path
) -> None:
    inside.pages["/"] = page()
    caps = Caps(ports=frozenset({good.port}), seconds=5)
    with pytest.raises(OutboundRefused, match=r"\.$"):
        fetch(url.format(port=good.port), tmp_path / "file", caps, openings.of(GOOD, good.port))
    assert inside.connections == 0
    assert not (tmp_path / "file").exists()


def test_an_unusual_port_says_what_would_allow_it() -> None:
    gate = Gate(ports=Caps().ports, setting="THE_SETTING")
    with pytest.raises(
        OutboundRefused, match=r"Only ports 80 and 443 .* set THE_SETTING=store\.example:9000 and restart"
    ):
        gate.check_url("https://store.example:9000/")
    Gate(openings.parse("store.example:9000"), Caps().ports).check_url("https://store.example:9000/")


@pytest.mark.parametrize("addresses", [[INSIDE], [GOOD, INSIDE], [INSIDE, GOOD], ["::1"], [GOOD, "::ffff:127.0.0.1"]])
def test_one_bad_address_among_good_ones_refuses_the_name(
    addresses: list[str], inside: Site, names: Any, download: Any
) -> None:
    inside.pages["/"] = page()
    names["evil.test"] = [addresses]
    with pytest.raises(OutboundRefused, match=r"evil.test:\d+ is on a private network"):
        download("/", host="evil.test")
    assert inside.connections == 0


def test_a_name_that_changes_after_the_check_reaches_the_checked_address(
    good: Site, inside: Site, names: Any, download: Any
) -> None:
    good.pages["/"] = inside.pages["/"] = page()
    names["rebinding.test"] = [[GOOD], [INSIDE]]
    assert download("/", host="rebinding.test").size == 8
    assert (good.connections, inside.connections) == (1, 0)


def test_a_name_that_changes_between_redirects_is_refused(good: Site, inside: Site, names: Any, download: Any) -> None:
    names["a.test"], names["b.test"] = [[GOOD]], [[INSIDE]]
    good.pages["/"] = redirect(f"http://b.test:{good.port}/")
    with pytest.raises(OutboundRefused, match=r"b.test:\d+ is on a private"):
        download("/", host="a.test")
    assert inside.connections == 0


@pytest.mark.parametrize(
    "to", ["http://127.0.0.1:{port}/", "//localhost:{port}/", "file:///etc/passwd", "http://good.test:25/"]
)
def test_a_redirect_is_checked_like_the_first_address(to: str, good: Site, inside: Site, download: Any) -> None:
    good.pages["/start"] = redirect(to.format(port=good.port))
    with pytest.raises(OutboundRefused):
        download("/start")
    assert inside.connections == 0


def test_a_redirect_on_the_same_host_is_followed(good: Site, download: Any) -> None:
    good.pages["/old"], good.pages["/new.csv"] = redirect("/new.csv"), page()
    assert download("/old").name == "new.csv"


def test_redirects_without_an_end_are_cut_off(good: Site, download: Any) -> None:
    good.pages["/"] = redirect("/")
    with pytest.raises(OutboundRefused, match="redirected more than 5 times"):
        download("/")
    assert good.connections == 6


def test_a_file_that_says_it_is_too_large_is_not_read(good: Site, download: Any, tmp_path: Path) -> None:
    good.pages["/"] = page(b"x" * 2000)
    with pytest.raises(OutboundRefused, match="larger than the allowed 1000 bytes"):
        download("/", max_bytes=1000)
    assert not (tmp_path / "file").exists()


def test_a_body_without_an_end_is_cut_off(good: Site, download: Any, tmp_path: Path) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 100_000)

    good.pages["/"] = endless
    with pytest.raises(OutboundRefused, match="larger than the allowed 2 MB"):
        download("/", max_bytes=2_000_000)
    assert not (tmp_path / "file").exists()


def test_a_packed_bomb_is_cut_off(good: Site, download: Any) -> None:
    good.pages["/"] = page(gzip.compress(b"\0" * 50_000_000), **{"Content-Encoding": "gzip"})
    with pytest.raises(OutboundRefused, match="larger than the allowed 2 MB"):
        download("/", max_bytes=2_000_000)


def test_a_packed_body_is_unpacked(good: Site, download: Any, tmp_path: Path) -> None:
    good.pages["/"] = page(gzip.compress(b"a,b\n"), **{"Content-Encoding": "gzip"})
    assert download("/").size == 4
    good.pages["/half"] = page(gzip.compress(b"a,b\n" * 1000)[:-12], **{"Content-Encoding": "gzip"})
    with pytest.raises(OutboundRefused, match="closed the connection in the middle of the file"):
        download("/half")


def test_an_unknown_packing_is_refused(good: Site, download: Any) -> None:
    good.pages["/"] = page(b"x", **{"Content-Encoding": "zstd"})
    with pytest.raises(OutboundRefused, match="compressed the file as zstd"):
        download("/")


def test_a_server_that_drips_is_given_up_in_time(good: Site, download: Any) -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x")
            await asyncio.sleep(0.05)

    good.pages["/"] = drip
    with pytest.raises(OutboundRefused, match="did not send the file within"):
        download("/", seconds=0.5)


def test_a_wrong_status_a_closed_port_and_an_unknown_name_are_sentences(
    good: Site, names: Any, download: Any, tmp_path: Path
) -> None:
    async def missing(request: web.Request) -> web.Response:
        return web.Response(status=404)

    good.pages["/"] = missing
    with pytest.raises(OutboundRefused, match=r"good.test answered 404"):
        download("/")
    with pytest.raises(OutboundRefused, match="was not found"):
        download("/", host="does-not-exist.invalid")
    with pytest.raises(OutboundRefused, match=r"Nothing answers at good\.test:9"):
        fetch("http://good.test:9/", tmp_path / "file", Caps(ports=frozenset({9})), openings.of(GOOD, 9))
