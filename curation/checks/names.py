"""Names of people as personal data, found only where certain: after a greeting, under a letter, in a field for names.

There is no model here: a name in the middle of a sentence is found only if the same record shows it in one of those
places. A greeting in passing ("Hi Kim, …") is for a person when the first name is a usual one; else it is a suggestion.
"""

import re
from collections.abc import Iterable, Iterator

from curation.checks.given_names import GIVEN, THINGS
from curation.checks.phones import Span

WORD = r"[A-ZÀ-ÖØ-ÞŁŚŻČŠŽĐĞİ][^\W\d_]*(?:['’-][^\W\d_]+)*"
NAME = rf"{WORD}(?:[ \t](?:(?:van|von|de|del|della|der|den|di|da|dos|du|la|le|bin|al|el) )?(?:{WORD}|[A-Z]\.)){{0,3}}"
TITLE = r"(?:(?:Mr|Mrs|Ms|Mx|Dr|Prof|Professor|Sir|Madam|Herr|Frau|Monsieur|Madame|M|Mme)\.?[ \t]+)?"
GREETING = re.compile(rf"^[ \t>]*(Dear|Hi|Hello|Hey|Liebe[rs]?|Sehr geehrte[rs]?|Cher|Chère|Bonjour|Hallo|Estimad[oa]|Querid[oa]),?[ \t]+({TITLE})({NAME})[ \t]*([,!:;.–-][ \t]*$|[,!:;.–-])", re.MULTILINE)  # fmt: skip
LETTERS = ("Dear", "Liebe", "Sehr", "Cher", "Estimad", "Querid")  # begin what is rarely said to a thing
SIGNED = re.compile(
    r"^[ \t>]*(?:(?:with )?(?:best|kind|warm|many)?[ \t]*(?:regards|wishes|greetings)|(?:yours )?(?:sincerely|faithfully|truly)"
    r"|yours|cheers|best|thanks|many thanks|thank you|mit freundlichen grüßen|viele grüße|cordialement|bien à vous|saludos)"
    rf"[,.!]?[ \t]*(?:\r?\n[ \t>]*){{1,2}}(?:[—–-][ \t]*)?((?-i:{NAME}))[ \t]*$",
    re.MULTILINE | re.IGNORECASE,
)
CALLED = re.compile(rf"\b(?:[Mm]y name is|[Ii]ch heiße|[Jj]e m['’]appelle|[Mm]e llamo)[ \t]+({NAME})")
INTRODUCES = ("name is", "heiße", "appelle", "llamo")
# Greetings go to these too, and they are nobody's name.
NOBODY = frozenset(
    """all everyone everybody team sir madam sirs friend friends colleague colleagues customer customers there folks
    reader readers editor editors guys world both you hiring manager committee support diary god lord damen und herren
    tous toutes santa students parents neighbours neighbors members professor doctor please thanks diary service support
    department company board council office authority people ladies gentlemen council staff crew subscriber subscribers
    community applicant candidate user users sales world heart internet journal moon life self future chatbot assistant
    bot agent computer language library""".split()  # noqa: SIM905
)
# A part of a name that is also a plain word is not looked for alone.
PLAIN = frozenset(
    """will mark may june april rose grace bill art hope faith joy guy dean king young long white black brown green
    the a an in on of and for bell page day rich frank jack pat sue ray""".split()  # noqa: SIM905
)
FIELDS = re.compile(
    r"(?:.*[_ -])?(?:author|person|customer|patient|surname|fullname|firstname|lastname)|name"
    r"|(?:.*[_ -])?(?:full|first|last|middle|maiden|given|family|birth|legal|real|contact|customer|client|patient|person|employee|author"
    r"|writer|sender|recipient|student|pupil|teacher|doctor|physician|nurse|parent|child|mother|father|spouse|guest|member|owner|buyer|seller|applicant"
    r"|candidate|speaker|reviewer|manager|holder|cardholder|subscriber|victim|witness|driver|passenger|tenant|holder)s?[_ -]?name",
    re.IGNORECASE,
)
SHORTEST = 3


def names_of(fields: dict[str, object]) -> list[str]:
    """Return the values of the fields whose name shows that they hold a person's name."""
    return [
        value.strip()
        for key, value in fields.items()
        if isinstance(value, str) and FIELDS.fullmatch(key) and _is_name(value)
    ]


def _is_name(value: str) -> bool:
    return len(value) <= 80 and bool(re.fullmatch(TITLE + NAME, value.strip()))


def known_names(text: str) -> list[str]:
    """Return the names that the text itself makes known, in their order."""
    forms = (SIGNED, CALLED) if any(words in text for words in INTRODUCES) else (SIGNED,)
    found = [match[3].strip() for match in GREETING.finditer(text) if _is_for_a_person(match)]
    found += [match[1].strip() for form in forms for match in form.finditer(text)]
    return [name for name in dict.fromkeys(found) if _may_be_a_person(name)]


def greeted(text: str) -> Iterator[tuple[int, int]]:
    """Yield the places of what is greeted and may be a person, or a program, a place, a thing."""
    for match in GREETING.finditer(text):
        if _may_be_a_person(match[3]) and not _is_for_a_person(match) and not _is_a_thing(match[3]):
            yield match.span(3)


def _is_for_a_person(greeting: re.Match[str]) -> bool:
    """Return whether a greeting is for a person: by title, as a letter's own line, or because the first name is a usual one."""
    opening, title, name, end = greeting.groups()
    if title:
        return True
    if _is_a_thing(name):
        return False
    return (
        opening.startswith(LETTERS)
        and end[0] in ",:"
        and len(end.strip()) == 1
        and greeting.end() == _line_end(greeting)
    ) or (re.split(r"[ \t-]", name)[0].casefold() in GIVEN)


def _line_end(match: re.Match[str]) -> int:
    end = match.string.find("\n", match.start())
    return len(match.string) if end < 0 else end


def _may_be_a_person(name: str) -> bool:
    return not {word.casefold() for word in name.split()} & NOBODY


def _is_a_thing(name: str) -> bool:
    return bool({word.casefold() for word in re.split(r"[ \t-]", name)} & THINGS)


def parts(name: str) -> list[str]:
    """Return the whole name, then the parts of it that may be used alone for the person."""
    alone = [word for word in re.split(r"[ \t]+", name) if len(word) >= SHORTEST and word[0].isupper()]
    return list(dict.fromkeys([name, *(word for word in alone if word.casefold() not in PLAIN)]))


def find_names(text: str, names: Iterable[str]) -> Iterator[Span]:
    """Yield the places of these names, whole ones first; case matters."""
    for name in sorted(set(names), key=len, reverse=True):
        if name in text:
            for found in re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", text):
                yield Span("NAME", *found.span())
