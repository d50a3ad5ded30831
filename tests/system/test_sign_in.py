"""Signing in over real sockets: guesses that come all at once, and what a proxy says of where they come from."""

import http.client
import math
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.cookies import SimpleCookie
from urllib.parse import urlencode

import pytest

from atelier.accounts import throttle
from tests.system.installation import Installation, running

pytestmark = pytest.mark.slow
MANY = 24


class Browser:
    """One person's browser, with its cookies, behind an address that a proxy names."""

    def __init__(self, up: Installation, behind: str = "") -> None:
        self.up, self.behind, self.cookies = up, behind, SimpleCookie()

    def ask(self, method: str, path: str, body: dict[str, str] | None = None) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.up.port, timeout=60)
        headers = {"Cookie": "; ".join(f"{name}={one.value}" for name, one in self.cookies.items())}
        if self.behind:
            headers["X-Forwarded-For"] = self.behind
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request(method, path, urlencode(body) if body is not None else None, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie":
                self.cookies.load(value)
        connection.close()
        return answer.status, text

    def sign_in(self, name: str, password: str, line: threading.Barrier | None = None) -> int:
        _, page = self.ask("GET", "/sign-in")
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[1]
        if line is not None:
            line.wait()
        form = {"csrfmiddlewaretoken": token, "username": name, "password": password}
        return self.ask("POST", "/sign-in", form)[0]


def noted(up: Installation) -> list[dict]:
    return up.rows("SELECT action, address, count FROM audit_auditentry WHERE action LIKE 'sign%' ORDER BY id")


def test_of_many_at_once_few_are_judged_and_the_owner_gets_in_meanwhile(tmp_path):
    """And nobody believes a header that says where a request comes from: here is no proxy."""
    with running(tmp_path / "data", "redis", "web") as up:
        name, password = up.login()
        own = Browser(up)
        assert own.sign_in(name, password) == 302
        line = threading.Barrier(MANY)

        def guess(n: int) -> int:
            return Browser(up, behind=f"203.0.113.{n}").sign_in(name, f"wrong-{n}", line)

        began = time.monotonic()
        with ThreadPoolExecutor(MANY) as pool:
            statuses = list(pool.map(guess, range(MANY)))
        pauses = math.log2((time.monotonic() - began) / throttle.FIRST_PAUSE + 1)  # that a slow machine let pass
        assert statuses.count(200) <= throttle.NAME_AND_PLACE.free + int(pauses)
        assert statuses.count(200) + statuses.count(429) == MANY
        own.cookies.pop(next(one for one in own.cookies if "session" in one))
        assert own.sign_in(name, password) == 302
        failed = [row for row in noted(up) if row["action"] == "sign_in_failed"]
        assert {row["address"] for row in failed} == {"127.0.0.1"}
        assert sum(row["count"] for row in failed) == statuses.count(200)


def test_behind_a_trusted_proxy_people_do_not_share_an_address(tmp_path):
    with running(tmp_path / "data", "redis", "web", ATELIER_TRUSTED_PROXIES="127.0.0.1") as up:
        name, password = up.login()
        for n in range(throttle.PLACE.free + 3):
            assert Browser(up, behind=f"198.51.100.{n}, 203.0.113.7").sign_in(f"name-{n}", "wrong") in {200, 429}
        assert Browser(up, behind="198.51.100.1, 203.0.113.7").sign_in("one-more", "wrong") == 429
        assert Browser(up, behind="203.0.113.8").sign_in(name, password) == 302
        assert {row["address"] for row in noted(up)} == {"203.0.113.7", "203.0.113.8"}
