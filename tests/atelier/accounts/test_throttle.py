"""Guessing passwords: counted before they are judged, slowed down, and never in the way of the right person."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.contrib.auth import hashers
from django.db import connection
from django.db.models import F
from django.test import Client
from django.utils import timezone

from atelier.accounts import throttle
from atelier.accounts.models import KnownBrowser, SignInPace, User
from atelier.audit.models import AuditEntry
from tests.conftest import member

RIGHT = "a-long-password"
FREE = throttle.NAME_AND_PLACE.free


def sign_in(client: Client, name: str, password: str, address: str = "198.51.100.1"):
    return client.post("/sign-in", {"username": name, "password": password}, REMOTE_ADDR=address)


def later(seconds: float) -> None:
    """Move the clock of all counts forward."""
    back = timedelta(seconds=seconds)
    SignInPace.objects.update(at=F("at") - back, free_at=F("free_at") - back)


def test_wrong_passwords_are_slowed_down_with_growing_pauses_and_a_sentence(alice):
    client = Client()
    for _ in range(FREE):
        assert sign_in(client, "alice", "wrong").status_code == 200
    pauses = []
    for _ in range(14):
        answer = sign_in(client, "alice", "wrong")
        assert answer.status_code == 429
        pauses.append(int(answer["Retry-After"]))
        assert "Too many attempts. Try again in" in answer.content.decode()
        later(pauses[-1])
        assert sign_in(client, "alice", "wrong").status_code == 200
    assert all(later >= earlier - 1 for earlier, later in itertools.pairwise(pauses))
    assert pauses[:2] == [4, 8]
    assert 240 < pauses[-1] <= throttle.NAME_AND_PLACE.longest


def test_the_right_password_waits_as_well_and_is_taken_after_the_pause(alice):
    client = Client()
    for _ in range(FREE):
        sign_in(client, "alice", "wrong")
    assert sign_in(client, "alice", RIGHT).status_code == 429
    later(5)
    assert sign_in(client, "alice", RIGHT).status_code == 302


def test_a_refusal_costs_no_write_and_does_not_lengthen_the_pause(alice):
    client = Client()
    for _ in range(FREE):
        sign_in(client, "alice", "wrong")
    before = list(SignInPace.objects.order_by("pk").values())
    for _ in range(20):
        assert sign_in(client, "alice", "wrong").status_code == 429
    assert list(SignInPace.objects.order_by("pk").values()) == before


def test_ones_own_sign_in_does_not_forget_what_was_guessed_of_others(alice, charlie):
    """Attack S4 (a): seven guesses, a sign-in as oneself, and again."""
    judged = 0
    for _ in range(3):
        guesser = Client()
        judged += sum(sign_in(guesser, "alice", "wrong").status_code == 200 for _ in range(7))
        assert sign_in(guesser, "charlie", RIGHT).status_code == 302
    assert judged == FREE


def test_the_name_in_other_letters_is_counted_as_the_same(alice):
    names = ["alice", "ALICE", "Alice", "ａｌｉｃｅ", " alice"]
    assert [sign_in(Client(), name, "wrong").status_code for name in names] == [200] * FREE
    assert sign_in(Client(), "aLICE", "wrong").status_code == 429


def test_an_address_is_slowed_down_over_all_names_and_a_household_of_ipv6_is_one(db):
    assert throttle.PLACE.free == 30
    for n in range(30):
        assert sign_in(Client(), f"name-{n}", "wrong", f"2001:db8::{n + 1:x}").status_code == 200
    assert sign_in(Client(), "one-more", "wrong", "2001:db8::ffff").status_code == 429
    assert sign_in(Client(), "one-more", "wrong", "2001:db8:0:1::1").status_code == 200


def test_an_office_in_which_many_sign_in_is_not_slowed_down(db, team):
    for n in range(40):
        member(team, f"person-{n}", "viewer")
        assert sign_in(Client(), f"person-{n}", RIGHT).status_code == 302


def test_the_right_person_gets_in_while_strangers_hammer_at_their_name(alice):
    """Attack S4 (c). From the browser they used before; from another one at a place where they were; not from anywhere."""
    known = Client()
    assert sign_in(known, "alice", RIGHT, "203.0.113.7").status_code == 302
    known.post("/sign-out")
    for n in range(70):  # a stranger with many addresses
        sign_in(Client(), "alice", "wrong", f"198.51.100.{n}")
    assert sign_in(Client(), "alice", RIGHT, "192.0.2.99").status_code == 429
    assert sign_in(Client(), "alice", RIGHT, "203.0.113.7").status_code == 302
    assert sign_in(known, "alice", RIGHT, "192.0.2.1").status_code == 302
    later(61)
    assert sign_in(Client(), "alice", RIGHT, "192.0.2.99").status_code == 302


def test_a_known_browser_is_slowed_down_too_and_is_known_for_its_person_only(alice, bob):
    browser = Client()
    sign_in(browser, "alice", RIGHT)
    browser.post("/sign-out")
    free = throttle.NAME_AND_BROWSER.free
    assert [sign_in(browser, "alice", "wrong").status_code for _ in range(free)] == [200] * free
    assert sign_in(browser, "alice", RIGHT).status_code == 429
    for _ in range(FREE):
        sign_in(browser, "bob", "wrong")
    assert sign_in(browser, "bob", RIGHT).status_code == 429


@pytest.mark.parametrize("cookie", ["", "x", "a" * 43, "é" * 43, "../../etc", "a" * 5000])
def test_a_made_up_cookie_makes_nobody_known(alice, cookie, settings):
    sign_in(Client(), "alice", RIGHT, "203.0.113.7")
    client = Client()
    client.cookies[settings.BROWSER_COOKIE_NAME] = cookie
    for _ in range(FREE):
        assert sign_in(client, "alice", "wrong").status_code == 200
    assert sign_in(client, "alice", "wrong").status_code == 429


def test_the_cookie_is_for_our_server_only_and_a_person_has_a_limited_number_of_browsers(alice, settings):
    client = Client()
    cookie = sign_in(client, "alice", RIGHT).cookies[settings.BROWSER_COOKIE_NAME]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert not KnownBrowser.objects.filter(digest__contains=cookie.value[:20]).exists()
    for _ in range(25):
        sign_in(Client(), "alice", RIGHT)
    assert alice.browsers.count() == 20


def test_a_new_password_makes_all_other_browsers_strangers(alice):
    thief, own = Client(), Client()
    for client in (thief, own):
        sign_in(client, "alice", RIGHT)
    form = {"old_password": RIGHT, "new_password1": "another-long-one", "new_password2": "another-long-one"}
    assert own.post("/account", form).status_code == 302
    assert alice.browsers.count() == 1


def test_known_and_unknown_names_get_the_same_answers_in_the_same_order(alice):
    def told(name: str, address: str) -> list[tuple[int, str]]:
        answers = [sign_in(Client(), name, "wrong", address) for _ in range(FREE + 2)]
        pages = [answer.content.decode().replace(name, "NAME") for answer in answers]
        return [
            (a.status_code, page.partition("</head>")[2].partition("csrf")[0])
            for a, page in zip(answers, pages, strict=True)
        ]

    assert told("alice", "198.51.100.1") == told("elisa", "198.51.100.2")


def test_the_old_password_on_the_account_page_is_guessed_as_slowly(as_alice):
    form = {"old_password": "wrong", "new_password1": "another-long-one", "new_password2": "another-long-one"}
    answers = [as_alice.post("/account", form) for _ in range(FREE + 1)]
    assert [answer.status_code for answer in answers] == [200] * FREE + [429]
    assert answers[-1]["Retry-After"]


def test_a_new_password_that_will_not_do_is_no_guess(as_alice):
    form = {"old_password": RIGHT, "new_password1": "short", "new_password2": "short"}
    assert {as_alice.post("/account", form).status_code for _ in range(FREE + 3)} == {200}


def test_an_empty_form_is_no_attempt(db):
    for form in ({}, {"username": "alice"}, {"password": "x"}, {"username": "", "password": ""}):
        assert Client().post("/sign-in", form).status_code == 200
    assert not SignInPace.objects.exists()
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("name", ["x" * 100_000, "'; DROP TABLE users; --", "ﷺ" * 150, "alice\n", "٣"])
def test_odd_names_are_answered_as_wrong_ones(db, name):
    assert sign_in(Client(), name, "wrong").status_code == 200


def test_rows_are_few_and_end(alice, monkeypatch):
    for n in range(10):
        sign_in(Client(), f"name-{n}", "wrong", f"198.51.100.{n}")
    assert SignInPace.objects.count() == 30
    monkeypatch.setattr(throttle, "MOST_ROWS", 12)
    throttle.sweep()
    assert SignInPace.objects.count() == 12
    SignInPace.objects.update(at=timezone.now() - throttle.KEPT - timedelta(seconds=1))
    throttle.sweep()
    assert not SignInPace.objects.exists()


def test_a_clock_that_was_set_back_locks_nobody_out(alice):
    for _ in range(FREE):
        sign_in(Client(), "alice", "wrong")
    later(-86400)
    assert sign_in(Client(), "alice", RIGHT).status_code == 302


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ["alice", "elisa"])
def test_of_twenty_four_at_once_no_more_are_judged_than_one_after_the_other(team, name, monkeypatch):
    """Attack S4 (b), with real threads and transactions of their own: each waits until all have begun."""
    User.objects.create_user("alice", password=RIGHT)
    judged, line = [], threading.Barrier(24)
    check = hashers.verify_password

    def counted(password, *rest, **options):
        judged.append(password)
        return check(password, *rest, **options)

    monkeypatch.setattr(throttle, "FIRST_PAUSE", 300)  # on a busy machine 24 sign-ins take longer than four seconds
    monkeypatch.setattr("django.contrib.auth.hashers.verify_password", counted)

    def guess(n: int) -> int:
        line.wait()
        try:
            return sign_in(Client(), name, f"wrong-{n}").status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(24) as pool:
        statuses = list(pool.map(guess, range(24)))
    assert statuses.count(200) <= FREE
    assert statuses.count(200) + statuses.count(429) == 24
    assert len(judged) <= FREE
    assert SignInPace.objects.get(key=throttle._key("name and place", name, "198.51.100.1")).failures <= FREE + 0.01
