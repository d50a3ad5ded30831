"""Numbers that belong to a person: phones, cards, accounts, IP addresses, national ids.

A number counts where its form or its checksum (ISO 7064, Luhn, Verhoeff and the like, by python-stdnum) makes it
certain; an id that many plain numbers would pass as counts only beside a word that names it.
"""

import re
from collections.abc import Iterator
from importlib import import_module
from ipaddress import ip_address, ip_network
from typing import NamedTuple

from stdnum import iban, luhn

from curation.checks.phones import DIGITS, Span, find_phones, is_something_else

__all__ = ["DIGITS", "Span", "find_numbers"]

# No number beside which the careful patterns would find anything is shorter.
CAPITAL_DIGIT = re.compile(r"[A-Z]\d")  # stands in every IBAN and in each id that has fewer digits than LONG_NUMBER
LONG_NUMBER = re.compile(r"\d[\d ().\-/]{5,}[\dA-Z]")
CARD = re.compile(
    r"(?<![\w.+-])(?:[2-6]\d{12,18}|[2-6]\d{3}([ -])\d{4}\1\d{4}\1\d{4}(?:\1?\d{1,3})?|3\d{3}[ -]\d{6}[ -]\d{4,5})(?![\w-]|[ .]\d)"
)
CARD_BESIDE = re.compile(
    r"card|visa|karte|carte|tarjeta|cart[aã]o|carta|kort|amex|diners|卡|カード|카드", re.IGNORECASE
)
# Numbers of these lengths are more often an article's.
SELDOM = (13, 14, 19)
BRANDS = (
    re.compile(r"4(?:\d{12}|\d{15}|\d{18})"),
    re.compile(r"(?:5[1-5]|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d*"),
    re.compile(r"3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11}|35\d{14}|6(?:011|5\d\d|4[4-9]\d)\d{12}|62\d{14,17}"),
)
IBAN_HEAD = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}")
IP4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)")
IP6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])")
VERSION = re.compile(
    r"(?:\bv|\b(?:version|release|firmware|build|driver|kernel|patch|update|upgrade|to|section|sections|chapter|clause|table|figure|step|article"
    r"|paragraph|annex|appendix|item|rule|abschnitt|kapitel|ziffer|punkt|art|ver|rev|schema|protocol)|§)[ .:]*$",
    re.IGNORECASE,
)
HOST = re.compile(r"(?:\bips?(?:v4)?\b|address|host|server|client|login|ping|ssh|://|@|visitor|user|remote|gateway|dns|router)[^\d]{0,20}$", re.IGNORECASE)  # fmt: skip
AFTER_HOST = re.compile(r":\d{2,5}\b|/\d{1,2}\b")
TIME_AFTER_DATE = re.compile(r"(?:20)?[0-3]\d[01]\d[0-3]\d[-+](?:[01]\d|2[0-3])[0-5]\d")


class NationalId(NamedTuple):
    """A country's national id: its pattern, the module of python-stdnum that knows its checksum, the words beside it."""

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
    NationalId(_form(r"\d{11}"), "br.cpf", r"\bcpf\b"),
    NationalId(_form(r"[0-8]\d\d ?\d\d ?\d{4}"), "us.ssn", r"\bssn\b|social security"),
    NationalId(_form(r"\d{11}"), "pl.pesel", r"pesel"),
    NationalId(_form(r"\d{2} ?\d{3} ?\d{3} ?\d{3}"), "de.idnr", r"steuer|tax|\bid"),
    NationalId(_form(r"\d{6} ?\d{5}"), "no.fodselsnummer", r"f[øo]dselsn|personnummer|\bid"),
    NationalId(_form(r"\d{3}\.?\d{3}\.?\d{3}|\d{4}\.\d{2}\.\d{3}"), "nl.bsn", r"bsn|burgerservice|sofi"),
    NationalId(_form(r"\d{4} ?\d{4} ?\d{4}"), "in_.aadhaar", r"aadhaar|uid"),
    NationalId(_form(r"\d{3} ?\d{3} ?\d{4}"), "gb.nhs", r"nhs"),
    NationalId(_form(r"\d{13}"), "za.idnr", r"\bid"),
    NationalId(_form(r"[1-9]\d{12}"), "ro.cnp", r"cnp"),
    NationalId(_form(r"[A-Z]{4}\d{6}[HM][A-Z]{5}[A-Z0-9]\d"), "mx.curp"),
    NationalId(_form(r"\d{3} ?\d{3} ?\d{3}"), "pt.nif", r"\bnif\b|contribuinte"),
    NationalId(_form(r"\d{3}[- ]?\d{3}[- ]?\d{3}"), "ca.sin", r"\bsin\b|social insurance"),
    NationalId(_form(r"\d{3} ?\d{3} ?\d{3}"), "au.tfn", r"\btfn\b|tax file"),
    NationalId(_form(r"\d{6}-?\d{4}"), "dk.cpr", r"\bcpr\b"),
    NationalId(_form(r"\d{4} ?\d{4} ?\d{4}"), "jp.in_", r"my ?number|マイナンバー|個人番号"),
    NationalId(_form(r"\d{4} ?\d{6}"), "at.vnr", r"svnr|sv-nr|sozialversicherung"),
)
# The number of British national insurance has no checksum: its spaces, or a word before it, make it sure.
INSURANCE = _form(r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d\d ?\d\d ?\d\d ?[A-D]")
INSIDE = tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
IDENTITY = re.compile(r"person|identi|hetu|\bid\b", re.IGNORECASE)
HINT_BEFORE = 40  # characters


def find_numbers(text: str) -> Iterator[Span]:
    """Yield all personal numbers, the most certain kind first; spans may overlap."""
    mixed = CAPITAL_DIGIT.search(text)
    if mixed:
        yield from _ibans(text)
    if LONG_NUMBER.search(text):
        yield from _cards(text)
        yield from _national_ids(text)
        yield from _ip4(text)
        yield from find_phones(text)
    elif mixed:
        yield from _national_ids(text)
    if "::" in text or text.count(":") > 6:
        yield from _ip6(text)


def _cards(text: str) -> Iterator[Span]:
    for found in CARD.finditer(text):
        digits = DIGITS.sub("", found[0])
        if luhn.is_valid(digits) and any(_is_of(brand, digits) for brand in BRANDS) and len(set(digits)) > 1:
            named = CARD_BESIDE.search(text, max(0, found.start() - HINT_BEFORE), found.start())
            doubted = (len(digits) in SELDOM and digits == found[0]) or is_something_else(text, found.start())
            yield Span("CARD", *found.span(), bool(named) or not doubted)


def _is_of(brand: re.Pattern[str], digits: str) -> bool:
    # Mastercard's numbers are told by their first digits, and always have sixteen.
    return bool(brand.fullmatch(digits)) and (digits[0] not in "25" or len(digits) == 16)


def _ibans(text: str) -> Iterator[Span]:
    """Yield IBANs. The checksum decides where each ends, for words in capitals may follow it."""
    for match in IBAN_HEAD.finditer(text):
        for end in range(match.end(), match.start() + 14, -1):
            whole = text[match.start() : end]
            ends_here = end == len(text) or not text[end].isalnum()
            if ends_here and whole[-1] != " " and iban.is_valid(whole, check_country=False):
                yield Span("IBAN", match.start(), end)
                break


def _national_ids(text: str) -> Iterator[Span]:
    for each in IDS:
        for match in each.form.finditer(text):
            before = text[max(0, match.start() - HINT_BEFORE) : match.start()]
            if each.words and not re.search(each.words, before, re.IGNORECASE):
                continue
            if import_module(f"stdnum.{each.module}").is_valid(match[0]):
                moment = _is_moment(match[0]) and not IDENTITY.search(before)
                if moment and len(match[0]) == len("20231105-0930"):
                    continue
                sure = bool(each.words) or not (moment or is_something_else(text, match.start()))
                yield Span("ID", *match.span(), sure)
    for found in INSURANCE.finditer(text):
        before = text[max(0, found.start() - HINT_BEFORE) : found.start()]
        named = bool(re.search(r"\bNI\b|NINO|insurance", before))
        yield Span("ID", *found.span(), named or (" " in found[0] and not is_something_else(text, found.start())))


def _is_moment(value: str) -> bool:
    """Return whether a number may be a date of these years with a time, as files of a night are named."""
    year = value[2:4] if len(value) == 13 else value[:2]
    return bool(TIME_AFTER_DATE.fullmatch(value)) and (len(value) == 13 or year < "40")


def _ip4(text: str) -> Iterator[Span]:
    for found in IP4.finditer(text):
        if not _is_address(found[0]) or VERSION.search(text, max(0, found.start() - 20), found.start()):
            continue
        octets = sorted(int(octet) for octet in found[0].split("."))
        named = bool(HOST.search(text, max(0, found.start() - HINT_BEFORE), found.start())) or bool(
            AFTER_HOST.match(text, found.end())
        )
        # Numbers of clauses and of versions are small.
        if named or (octets[-1] >= 100 and octets[-2] >= 13) or octets[-2] >= 32:
            yield Span("IP", *found.span(), not _is_everybodys(found[0]))


def _is_everybodys(address: str) -> bool:
    """Return whether an address is one of those that every house's network has."""
    return any(ip_address(address) in network for network in INSIDE)


def _ip6(text: str) -> Iterator[Span]:
    for match in IP6.finditer(text):
        groups = [group for group in match[0].split(":") if group]
        # `a::b` is a valid address, and a name in many programming languages.
        told = len(groups) > 2 or (len(groups) > 1 and len(groups[0]) == 4 and any(c.isdigit() for c in groups[0]))
        if told and _is_address(match[0]):
            yield Span("IP", *match.span())


def _is_address(text: str) -> bool:
    """Return whether this is an IP address that could be somebody's: not loopback and not unspecified."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified)
