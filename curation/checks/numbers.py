"""Numbers that belong to a person: phones, cards, accounts, addresses of machines, national ids.

A number counts where its form or its checksum (ISO 7064, Luhn, Verhoeff and the like, by python-stdnum) makes it sure;
an id that many plain numbers would pass as counts only beside a word that says what it is.
"""

import re
from collections.abc import Iterator
from importlib import import_module
from ipaddress import ip_address
from typing import NamedTuple

from stdnum import iban, luhn


class Span(NamedTuple):
    kind: str
    start: int
    end: int


# No number beside which the careful patterns would find anything is shorter.
CAPITAL_DIGIT = re.compile(r"[A-Z]\d")  # stands in every IBAN and in each id that has fewer digits than LONG_NUMBER
LONG_NUMBER = re.compile(r"\d[\d ().\-/]{5,}[\dA-Z]")
DIGITS = re.compile(r"\D")
CARD = re.compile(r"(?<![\w.+-])[2-6]\d{3}(?:[ -]?\d){9,15}(?![\w-])")
BRANDS = (
    re.compile(r"4(?:\d{12}|\d{15}|\d{18})"),
    re.compile(r"(?:5[1-5]|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d*"),
    re.compile(r"3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11}|35\d{14}|6(?:011|5\d\d|4[4-9]\d)\d{12}|62\d{14,17}"),
)
IBAN_HEAD = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}")
IP4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)")
IP6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])")
VERSION = re.compile(r"(?:\bv|version|release|firmware|build|section|chapter|§)[ .:]*$", re.IGNORECASE)
PHONES = (
    re.compile(r"(?<![\w.+-])(?<!\d )(?:\+|00)[1-9]\d{0,2}(?:[ ./-]?\(?\d{1,5}\)?){2,6}(?![\w]|[.,]\d)"),
    re.compile(r"(?<![\w.+-])(?:1[ .-])?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[.-])[2-9]\d{2}[ .-]\d{4}(?![\w-]|\.\d)"),
    re.compile(r"(?<![\w.+-])(?<!\d )\(?0[1-9]\d{0,3}\)?(?:[ ./-]\d{2,8}){1,5}(?![\w-]|[.,]\d)"),
)
CALLED = re.compile(
    r"\b(?:phone|tel|telephone|téléphone|telefon|mobile?|cell|fax|whatsapp|call(?: me| us)?(?: at| on)?)"
    r"(?: (?:number|no\.?|is))?[ .:]{1,3}(\d[\d ().-]{5,16}\d)(?![\w-])",
    re.IGNORECASE,
)
DATE = re.compile(r"\d{1,2}[./ -]\d{1,2}[./ -](?:19|20)\d\d|(?:19|20)\d\d[./ -]\d{1,2}[./ -]\d{1,2}")


class NationalId(NamedTuple):
    """One country's number: how it looks, the module of python-stdnum that knows its checksum, the words beside it."""

    form: re.Pattern[str]
    module: str
    words: str = ""  # a pattern that must stand shortly before; empty where form and checksum are enough


def _form(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w.+-]){pattern}(?![\w-]|\.\d)")


IDS = (
    NationalId(_form(r"[12] ?\d\d ?(?:0[1-9]|1[0-2]) ?(?:\d\d|2[AB]) ?\d{3} ?\d{3} ?\d\d"), "fr.nir"),
    NationalId(_form(r"[A-Z]{6}\d\d[A-EHLMPRST]\d\d[A-Z]\d{3}[A-Z]"), "it.codicefiscale"),
    NationalId(_form(r"\d{8}-?[A-HJ-NP-TV-Z]"), "es.dni"),
    NationalId(_form(r"[XYZ]-?\d{7}-?[A-HJ-NP-TV-Z]"), "es.nie"),
    NationalId(_form(r"\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}"), "be.nn"),
    NationalId(_form(r"\d{6}[-+A]\d{3}[0-9A-FHJ-NPR-Y]"), "fi.hetu"),
    NationalId(_form(r"(?:\d\d)?\d{6}[-+]\d{4}"), "se.personnummer"),
    NationalId(_form(r"756[. ]?\d{4}[. ]?\d{4}[. ]?\d{2}"), "ch.ssn"),
    NationalId(_form(r"\d{3}\.\d{3}\.\d{3}-\d{2}"), "br.cpf"),
    NationalId(_form(r"[1-9]\d{16}[\dX]"), "cn.ric"),
    NationalId(_form(r"[0-8]\d\d-\d\d-\d{4}"), "us.ssn"),
    NationalId(_form(r"\d{6}-[1-8]\d{6}"), "kr.rrn"),
    NationalId(_form(r"\d{11}"), "pl.pesel", r"pesel"),
    NationalId(_form(r"\d{2} ?\d{3} ?\d{3} ?\d{3}"), "de.idnr", r"steuer|tax|\bid"),
    NationalId(_form(r"\d{6} ?\d{5}"), "no.fodselsnummer", r"f[øo]dselsn|personnummer|\bid"),
    NationalId(_form(r"\d{3}\.?\d{3}\.?\d{3}|\d{4}\.\d{2}\.\d{3}"), "nl.bsn", r"bsn|burgerservice|sofi"),
    NationalId(_form(r"\d{4} ?\d{4} ?\d{4}"), "in_.aadhaar", r"aadhaar|uid"),
    NationalId(_form(r"\d{3} ?\d{3} ?\d{4}"), "gb.nhs", r"nhs"),
    NationalId(_form(r"\d{13}"), "za.idnr", r"\bid"),
    NationalId(_form(r"[1-9]\d{12}"), "ro.cnp", r"cnp"),
)
HINT_BEFORE = 40  # characters


def find_numbers(text: str) -> Iterator[Span]:
    """All of them, the surest kind first; spans may overlap."""
    mixed = CAPITAL_DIGIT.search(text)
    if mixed:
        yield from _ibans(text)
    if LONG_NUMBER.search(text):
        yield from _cards(text)
        yield from _national_ids(text)
        yield from _ip4(text)
        yield from _phones(text)
    elif mixed:
        yield from _national_ids(text)
    if "::" in text or text.count(":") > 6:
        yield from _ip6(text)


def _cards(text: str) -> Iterator[Span]:
    for found in CARD.finditer(text):
        digits = DIGITS.sub("", found[0])
        if luhn.is_valid(digits) and any(_is_of(brand, digits) for brand in BRANDS) and len(set(digits)) > 1:
            yield Span("CARD", *found.span())


def _is_of(brand: re.Pattern[str], digits: str) -> bool:
    # Mastercard's numbers are told by their first digits, and always have sixteen.
    return bool(brand.fullmatch(digits)) and (digits[0] not in "25" or len(digits) == 16)


def _ibans(text: str) -> Iterator[Span]:
    """The checksum says where it ends, for words in capitals may follow it."""
    for found in IBAN_HEAD.finditer(text):
        for end in range(found.end(), found.start() + 14, -1):
            whole = text[found.start() : end]
            ends_here = end == len(text) or not text[end].isalnum()
            if ends_here and whole[-1] != " " and iban.is_valid(whole, check_country=False):
                yield Span("IBAN", found.start(), end)
                break


def _national_ids(text: str) -> Iterator[Span]:
    for each in IDS:
        for found in each.form.finditer(text):
            before = text[max(0, found.start() - HINT_BEFORE) : found.start()]
            if each.words and not re.search(each.words, before, re.IGNORECASE):
                continue
            if import_module(f"stdnum.{each.module}").is_valid(found[0]):
                yield Span("ID", *found.span())


def _ip4(text: str) -> Iterator[Span]:
    for found in IP4.finditer(text):
        if _is_address(found[0]) and not VERSION.search(text, max(0, found.start() - 20), found.start()):
            yield Span("IP", *found.span())


def _ip6(text: str) -> Iterator[Span]:
    for found in IP6.finditer(text):
        groups = [group for group in found[0].split(":") if group]
        # `a::b` is a valid address, and a name in many programming languages.
        told = len(groups) > 2 or (len(groups) > 1 and len(groups[0]) == 4 and any(c.isdigit() for c in groups[0]))
        if told and _is_address(found[0]):
            yield Span("IP", *found.span())


def _is_address(text: str) -> bool:
    """An address that could be somebody's: not this machine itself, nor none."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified)


def _phones(text: str) -> Iterator[Span]:
    for form in PHONES:
        for found in form.finditer(text):
            count = len(DIGITS.sub("", found[0]))
            if (8 if found[0][0] == "+" else 9) <= count <= 15 and not DATE.fullmatch(found[0]):
                yield Span("PHONE", *found.span())
    for found in CALLED.finditer(text):
        if 7 <= len(DIGITS.sub("", found[1])) <= 15 and not DATE.fullmatch(found[1]):
            yield Span("PHONE", *found.span(1))
