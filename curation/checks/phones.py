"""Phone numbers: with a country's code, in a grouping that a country uses, or beside a word such as "Tel.".

A number that only might be one (nine digits in threes, four pairs) is yielded as doubtful.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple


class Span(NamedTuple):
    """A place of personal data; `sure` is False where shape alone doesn't decide."""

    kind: str
    start: int
    end: int
    sure: bool = True


DIGITS = re.compile(r"\D")
# Scripts without spaces between words may stand beside a number; letters of others may not.
BEFORE_IT = r"(?<![0-9A-Za-z_À-ʯͰ-ӿ.+/-])(?<!\d )"
AFTER_IT = r"(?! ?\d)(?![0-9A-Za-z_À-ʯͰ-ӿ]|[./-][0-9A-Za-z_]|,\d)"
# Digits after a country's code: the fewest and the most.
LENGTHS = {
    "1": (10, 10), "7": (10, 10), "20": (8, 10), "27": (9, 9), "30": (10, 10), "31": (9, 9), "32": (8, 9),
    "33": (9, 9), "34": (9, 9), "36": (8, 9), "39": (6, 11), "40": (9, 9), "41": (9, 9), "43": (7, 13),
    "44": (9, 10), "45": (8, 8), "46": (7, 10), "47": (8, 8), "48": (9, 9), "49": (7, 13), "52": (10, 11),
    "54": (10, 11), "55": (10, 11), "61": (9, 9), "65": (8, 8), "81": (9, 10), "82": (8, 10), "86": (9, 11),
    "90": (10, 10), "91": (10, 10), "92": (10, 10), "351": (9, 9), "420": (9, 9), "421": (9, 9), "852": (8, 8),
}  # fmt: skip
TWO_DIGITS = frozenset(
    """20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 81 82 84 86 90 91 92
    93 94 95 98""".split()  # noqa: SIM905
)
CODES_OF_THREE = re.compile(r"(?:2[1-69]|3[578]|42|5[09]|6[7-9]|8[05789]|9[679])\d")
ABROAD = re.compile(
    r"(?<![0-9A-Za-z_À-ʯͰ-ӿ.+-])(?<!\d )(\+|00)(?=[1-9])((?:[ ./-]{0,3}\(?\d{1,12}\)?){1,9})(?![0-9A-Za-z_À-ʯͰ-ӿ]|[.,-]\d)"
)
# Numbers with the 0 of a call within the country, by the lengths of their groups.
AT_HOME = re.compile(rf"{BEFORE_IT}\(?0[1-9]\d{{0,3}}\)?(?:[ ./-]{{1,3}}\d{{2,8}}){{1,4}}{AFTER_IT}")
GROUPS = frozenset(
    tuple(map(int, form.split("-")))
    for form in """2-2-2-2-2 3-4-4 2-4-4 4-3-3 4-3-4 4-6 5-6 5-3-3 3-3-2-2 4-3-2-2 3-3-4 3-3-3 4-2-2-2 2-3-2-2 3-7 3-8 4-7 4-8
    2-8 2-7 2-3-3-2 3-2-2-2 2-3-4 3-6 2-3-3 2-2-3-4 4-2-4""".split()  # noqa: SIM905
)
GROUP = re.compile(r"\d+")
# Other groupings that nothing else has.
FORMS = tuple(
    re.compile(rf"{BEFORE_IT}(?:{form}){AFTER_IT}")
    for form in (
        r"(?:1[ .-])?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[.-])[2-9]\d{2}[ .-]\d{4}",  # North America
        r"\([1-9]\d\) ?9?\d{4}[ -]?\d{4}|[1-9]\d 9\d{4}[ -]\d{4}",  # Brazil
        r"[6-9]\d{4}[ -]\d{5}",  # India
        r"3[2-9]\d[ .-]\d{3}[ .-]\d{4}|3[2-9]\d[ .-]\d{7}|3[2-9]\d[ .-]\d{3}[ .-]\d{2}[ .-]\d{2}",  # Italy
        r"[67]\d\d[ .]\d\d[ .]\d\d[ .]\d\d|9\d\d[ .]\d\d[ .]\d\d[ .]\d\d",  # Spain
        r"1[3-9]\d[ -]\d{4}[ -]\d{4}",  # China
        r"8[ -]?\(9\d\d\)[ -]?\d{3}[ -]?\d\d[ -]?\d\d|8[ -]9\d\d[ -]\d{3}-\d\d-\d\d",  # Russia
        r"[49]\d\d \d\d \d{3}",  # Norway
    )
)
MAYBE = tuple(
    re.compile(rf"{BEFORE_IT}(?:{form}){AFTER_IT}")
    for form in (
        r"[5-9]\d\d[ .-]\d{3}[ .-]\d{3}",
        r"[2-9]\d \d\d \d\d \d\d",
        r"[89]\d[ .]\d{3}[ .]\d\d[ .]\d\d",
        r"1[38]00 \d{3} \d{3}",
        r"1[3-9]\d{9}",
        r"00[1-9]\d{8,12}",
    )
)
# Some of these are so usual as a number alone in its cell, and as nothing else, that there they are sure.
ALONE = re.compile(r"(?:9[1236]\d|[67]\d\d) \d{3} \d{3}|[2-9]\d \d\d \d\d \d\d|1[3-9]\d{9}")
CALLED = re.compile(
    r"(?:(?<![^\W_])(?:(?:tele)?phone|tel|tél|téléphone|telefon\w{0,4}|telemóvel|telemovel|teléfono|telefoon|telefone|tlf|mobile?|mobil\w{0,6}|móvil"
    r"|cell(?:ulare|phone)?|celular|handy\w{0,6}|gsm|portable|fax|whatsapp|signal|sms|komórk\w{1,3}|puh(?:elin)?"
    r"|call(?: me| us| him| her)?|ring(?: me| us)?|text me|dial|reach me|llám[ae](?:me|nos)|chiama(?:mi|ci|re)?|appel(?:ez|le)(?:-(?:moi|nous))?"
    r"|ruf\w{0,3}|bel(?: me| ons)?|dzwoń|zadzwoń|ligue|liga|ring|тел(?:ефон)?)|手机号?|电话|電話(?:番号)?|携帯|전화(?:번호)?|휴대폰|फ़ोन)"
    r"(?:[ :.,#]{0,3}(?:nummer|number|no|nr|núm|numéro|numero|número|is|es|er|ist|est|at|on|al|au|me|us|mich|unter|an|op|para|o|pod|på|für|for|my|numer|to|是|は|は|为)\b){0,3}"
    r"[ :.,#：]{0,3}([(\d][\d ()./-]{5,17}\d)(?![\w]|[./-]\w)",
    re.IGNORECASE,
)  # fmt: skip
AFTERWARDS = re.compile(
    r"[ ,(]{0,3}(?:(?:is|ist|es|è|to|é|är|er|on)\b ?)?(?:(?:my|mój|mi|mon|mein|meine|min|your|the|a) )?(?:tele?fon\w{0,3}|telephone|phone|mobile?|móvil|handy|cell|tel\b|llama|fax|whatsapp)",
    re.IGNORECASE,
)  # fmt: skip
# After one of these a number is something else's.
OTHERWISE = re.compile(
    r"(?:\b(?:order|ticket|article|artikel\w*|part|item|invoice|ref(?:erence)?|serial|model|version|release|firmware|build|section|clause|chapter|table|figure"
    r"|step|isbn|issn|ean|upc|gtin|sku|product|po|din|iso|en|norm|page|pages|years?|port|zip|postcode|plz|tracking|shipment|parcel|batch|lot|drawn|draw|numbers|lotter(?:y|ie)|lotto|tirage"
    r"|case|bug|issue|catalogue|catalog|commit|row|rows|id|code|bestell\w*|rechnung\w*|commande|facture|pedido|factura|asset|patent|coordinates|scores?|sequence|matrix)s?\b|#|§)"
    r"(?:[ :.-]{0,2}(?:number|numbers|no|nr|num|id|code|is|are|n°|of))?[ :.#]{0,3}$",
    re.IGNORECASE,
)  # fmt: skip
DATE = re.compile(
    r"\d{1,2}[./ -]\d{1,2}[./ -](?:19|20)\d\d(?:\D.*)?|(?:19|20)\d\d[./ -]?[01]\d[./ -]?[0-3]\d(?:\D?\d{1,6})?|(?:19|20)\d\d[./ -]{1,3}(?:19|20)\d\d"
)
STAMP = re.compile(r"(?:0[1-9]|[12]\d|3[01])([-.])(?:0[1-9]|1[0-2])\1\d\d\1(?:[01]\d|2[0-3])\1[0-5]\d")
VERSION_LIKE = re.compile(r"\d{1,2}(?:\.\d{1,5}){2,}")
ROUND = re.compile(r"\d00[.-]\d00[.-]\d{4}")
BEFORE = 30  # characters


def is_something_else(text: str, start: int) -> bool:
    """Return whether the words before a number name something that isn't a person's."""
    return bool(OTHERWISE.search(text, max(0, start - BEFORE), start))


def find_phones(text: str) -> Iterator[Span]:
    """Yield phone numbers, those beside a word for them first; spans may overlap."""
    for found in CALLED.finditer(text):
        value = found[1]
        count = len(DIGITS.sub("", value))
        if 7 <= count <= 15 and not DATE.fullmatch(value) and not VERSION_LIKE.fullmatch(value):
            yield Span("PHONE", *found.span(1))
    for found in ABROAD.finditer(text):
        if _is_abroad(found) and not is_something_else(text, found.start()):
            yield Span("PHONE", *found.span())
    for found in AT_HOME.finditer(text):
        if _is_at_home(found[0]) and not is_something_else(text, found.start()):
            yield Span("PHONE", *found.span(), not STAMP.fullmatch(found[0]))
    yield from _by_form(text)


def _by_form(text: str) -> Iterator[Span]:
    for form in FORMS:
        for found in form.finditer(text):
            good = not DATE.fullmatch(found[0]) and not ROUND.fullmatch(found[0])
            if good and not is_something_else(text, found.start()):
                yield Span("PHONE", *found.span())
    for form in MAYBE:
        for found in form.finditer(text):
            if not DATE.fullmatch(found[0]) and not is_something_else(text, found.start()):
                sure = ALONE.fullmatch(text.strip()) or AFTERWARDS.match(text, found.end())
                yield Span("PHONE", *found.span(), bool(sure))


def _is_abroad(found: re.Match[str]) -> bool:
    """Return whether the digits after + or 00 are a country's code and as many as its numbers have."""
    if found[1] == "00" and not re.search(r"\d[ ./-]", found[2]):
        return False
    digits = DIGITS.sub("", found[2].replace("(0)", ""))
    size = 1 if digits[0] in "17" else 2 if digits[:2] in TWO_DIGITS else 3
    code, rest = digits[:size], digits[size:]
    if size == 3 and not CODES_OF_THREE.fullmatch(code):
        return False
    fewest, most = LENGTHS.get(code, (7, 12))
    # Between a code and the number, a 0 is sometimes left standing.
    return fewest <= len(rest) <= most and not (code == "1" and rest[0] in "01")


def _is_at_home(value: str) -> bool:
    groups = tuple(len(group) for group in GROUP.findall(value))
    if groups not in GROUPS or DATE.fullmatch(value) or not 9 <= sum(groups) <= 12:
        return False
    if len(groups) == 2 and not value.startswith("("):
        # Two groups may be anything's number: the first must be an area's or a mobile's.
        return bool(re.match(r"0(?:[2-9]|10-|1[5-7]\d|1\d{3} )", value))
    pairs = groups == (2, 2, 2, 2, 2)
    return not pairs or len(set(re.findall(r"\D+", value))) == 1
