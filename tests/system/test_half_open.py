"""Connections that send half a request, by real sockets against the web process as it is shipped."""

import resource
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from atelier.network.connections import IDLE_PER_ADDRESS, counted_address
from tests.speed import patient
from tests.system.installation import Installation, running

ATTACKERS = 2100
HEADER_SECONDS, BODY_SECONDS, MOST = 3.0, 2.0, 150
HALF = b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
WHOLE = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n"


@pytest.fixture(scope="module")
def web(tmp_path_factory) -> Iterator[Installation]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard), hard))
    folder: Path = tmp_path_factory.mktemp("web")
    limits = {"ATELIER_HEADER_SECONDS": str(HEADER_SECONDS), "ATELIER_BODY_SECONDS": str(BODY_SECONDS)}
    try:
        with running(folder, "web", ATELIER_CONNECTIONS_PER_ADDRESS=str(MOST), **limits) as installation:
            yield installation
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def connect(port: int, source: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20, source_address=(source, 0))


def status(port: int, source: str) -> int:
    with connect(port, source) as client:
        client.sendall(WHOLE)
        return int(client.recv(4096).split()[1])


def is_closed(client: socket.socket) -> bool:
    client.settimeout(20)
    try:
        while client.recv(4096):
            continue
    except ConnectionError:
        return True
    return True


@pytest.mark.parametrize("others", ["127.0.0.2", "127.0.0.1"])
def test_2100_half_open_connections_of_one_client_harm_nobody(web, others):
    half_open = []
    try:
        for _ in range(ATTACKERS):
            half_open.append(connect(web.port))
            half_open[-1].sendall(HALF)
        assert [status(web.port, others) for _ in range(20)] == [200] * 20
    finally:
        for client in half_open:
            client.close()


def test_an_unfinished_head_is_ended_in_time_however_slowly_it_goes_on(web):
    with connect(web.port) as client:
        client.sendall(HALF)
        started = time.monotonic()
        client.settimeout(0.2)
        answer = b""
        while time.monotonic() - started < HEADER_SECONDS + 2 * patient(2) and not answer:
            try:
                client.sendall(b"x")
                answer = client.recv(4096)
            except TimeoutError:
                continue
        took = time.monotonic() - started
    assert answer.startswith(b"HTTP/1.1 408")
    assert HEADER_SECONDS - 1 < took < HEADER_SECONDS + patient(2)


def test_so_is_one_that_says_nothing_and_the_second_head_of_a_kept_connection(web):
    with connect(web.port) as silent, connect(web.port) as kept:
        kept.sendall(WHOLE)
        assert kept.recv(4096).startswith(b"HTTP/1.1 200")
        kept.sendall(HALF)
        started = time.monotonic()
        assert is_closed(silent)
        assert is_closed(kept)
        assert time.monotonic() - started < HEADER_SECONDS + patient(2)


def send_all(client: socket.socket, start: bytes, block: bytes, count: int) -> bytes:
    """Return the response to so many blocks, of which the service need not take all."""
    client.settimeout(20)
    try:
        client.sendall(start)
        for _ in range(count):
            client.sendall(block)
    except ConnectionError:
        pass
    try:
        return client.recv(4096)
    except ConnectionError:
        return b"closed"


CHUNKED = b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Slow: "


@pytest.mark.parametrize("start", [HALF, b"GET /health?", CHUNKED])
def test_a_head_or_trailer_of_megabytes_is_refused_and_harms_nobody(web, start):
    started = time.monotonic()
    with connect(web.port, "127.0.0.4") as client:
        answer = send_all(client, start, b"x" * 65536, 400)
        assert answer == b"closed" or answer.split()[1] != b"200"
        assert time.monotonic() - started < patient(2), "of 26 MB the most is not read"
    assert status(web.port, "127.0.0.2") == 200
    log = web.folder / "log" / "web.log"
    assert "Traceback" not in log.read_text()


def test_a_head_of_64_kb_is_refused_with_a_sentence_and_one_of_32_kb_with_a_long_body_is_taken(web):
    with connect(web.port) as client:
        client.sendall(HALF + b"x" * 65536)
        client.settimeout(20)
        assert client.recv(4096).startswith(b"HTTP/1.1 431")
    body = b"x" * 300_000
    head = (
        b"POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 300000\r\nX-Long: " + b"x" * 32768 + b"\r\n\r\n"
    )
    with connect(web.port) as client:
        client.sendall(head + body)
        client.settimeout(20)
        assert client.recv(4096).split()[1] in (b"403", b"405", b"200")


def test_a_body_that_stops_is_ended(web):
    with connect(web.port) as client:
        client.sendall(POST + b"x")
        started = time.monotonic()
        client.settimeout(20)
        assert client.recv(4096).startswith(b"HTTP/1.1 408")
        assert BODY_SECONDS - 1 < time.monotonic() - started < BODY_SECONDS + patient(2)


def test_a_body_that_comes_slowly_but_steadily_is_taken(web):
    with connect(web.port) as client:
        client.sendall(POST)
        for _ in range(10):
            client.sendall(b"x" * 500)
            time.sleep(BODY_SECONDS / 8)
        client.settimeout(20)
        assert b"408" not in client.recv(4096).split(b"\r\n")[0]


def test_a_body_that_trickles_is_ended(web):
    with connect(web.port) as client:
        client.sendall(POST)
        client.settimeout(BODY_SECONDS / 8)
        started, answer = time.monotonic(), b""
        while time.monotonic() - started < BODY_SECONDS + 2 * patient(2) and not answer:
            try:
                client.sendall(b"x")
                answer = client.recv(4096)
            except TimeoutError:
                continue
        assert answer.startswith(b"HTTP/1.1 408")
        assert BODY_SECONDS - 0.5 < time.monotonic() - started < BODY_SECONDS + patient(2)


def test_a_second_head_that_came_with_the_first_request_is_ended_in_time_too(web):
    with connect(web.port) as client:
        client.sendall(WHOLE + HALF)
        started = time.monotonic()
        client.settimeout(0.2)
        answer = b""
        while time.monotonic() - started < HEADER_SECONDS + 2 * patient(2) and b" 408 " not in answer:
            try:
                client.sendall(b"x")
                answer += client.recv(4096)
            except TimeoutError:
                continue
        assert answer.startswith(b"HTTP/1.1 200")
        assert b"HTTP/1.1 408" in answer
        assert HEADER_SECONDS - 1 < time.monotonic() - started < HEADER_SECONDS + patient(2)


def test_a_connection_that_is_kept_serves_many_requests(web):
    with connect(web.port) as client:
        for pause in (0.0, 0.0, 1.0):
            client.sendall(WHOLE)
            answer = client.recv(4096)
            while not answer.endswith(b"}"):  # its body may come by itself
                answer += client.recv(4096)
            assert answer.startswith(b"HTTP/1.1 200")
            time.sleep(pause)


def test_an_address_has_so_many_connections_and_then_is_refused_with_a_sentence(web):
    busy = []
    try:
        for _ in range(MOST):  # a body that never ends: not idle
            busy.append(connect(web.port, "127.0.0.3"))
            busy[-1].sendall(POST)
        time.sleep(0.5)
        with connect(web.port, "127.0.0.3") as client:
            assert b"503" in (answer := client.recv(4096)).split(b"\r\n")[0]
            assert b"Too many connections from your IP address" in answer
        assert status(web.port, "127.0.0.2") == 200
    finally:
        for client in busy:
            client.close()
    time.sleep(1)
    assert status(web.port, "127.0.0.3") == 200


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("127.0.0.1", "127.0.0.1"), ("::ffff:10.0.0.9", "10.0.0.9"), ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("10.1.0.5", ""), ("::ffff:10.1.0.5", ""), ("", ""), ("fd00::1", ""),
    ],
)  # fmt: skip
def test_who_is_counted_under_which_address(host, counted):
    assert counted_address(host, ("10.1.0.0/16", "fd00::1")) == counted
    assert IDLE_PER_ADDRESS < 1000
