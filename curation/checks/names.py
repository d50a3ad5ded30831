"""Names of people, only where they can be known: after a greeting, under a letter, in a field that holds names.

There is no list of names and no model here: a name in the middle of a sentence is found only when the same record shows
it in one of those places.
"""

import re
from collections.abc import Iterable, Iterator

from curation.checks.numbers import Span

WORD = r"[A-ZÀ-ÖØ-ÞŁŚŻČŠŽĐĞİ][^\W\d_]*(?:['’-][^\W\d_]+)*"
NAME = rf"{WORD}(?:[ \t](?:(?:van|von|de|del|della|der|den|di|da|dos|du|la|le|bin|al|el) )?(?:{WORD}|[A-Z]\.)){{0,3}}"
TITLE = r"(?:(?:Mr|Mrs|Ms|Mx|Dr|Prof|Professor|Sir|Madam|Herr|Frau|Monsieur|Madame|M|Mme)\.?[ \t]+)?"
GREETING = re.compile(rf"^[ \t>]*(?:Dear|Hi|Hello|Hey|Liebe[rs]?|Sehr geehrte[rs]?|Cher|Chère|Bonjour|Hallo|Estimad[oa]|Querid[oa]),?[ \t]+{TITLE}({NAME})[ \t]*[,!:;.–-]", re.MULTILINE)  # fmt: skip
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
    tous toutes santa students parents neighbours neighbors members professor doctor please thanks""".split()  # noqa: SIM905
)
# A part of a name that is also a plain word is not looked for alone.
PLAIN = frozenset(
    """will mark may june april rose grace bill art hope faith joy guy dean king young long white black brown green
    the a an in on of and for bell page day rich frank jack pat sue ray""".split()  # noqa: SIM905
)
FIELDS = re.compile(r"(?:.*[_ -])?(?:name|author|fullname|firstname|lastname|surname|person|customer|patient)", re.IGNORECASE)  # fmt: skip
NOT_A_PERSON = re.compile(r"(?:file|user|host|product|company|brand|model|dataset|event|display|class|field|column|path|place|city|country|street|tool|function)[_ -]?name", re.IGNORECASE)  # fmt: skip
SHORTEST = 3


def names_of(fields: dict[str, object]) -> list[str]:
    """Values of the fields whose name says that they hold a person's name."""
    return [
        value.strip()
        for key, value in fields.items()
        if isinstance(value, str) and FIELDS.fullmatch(key) and not NOT_A_PERSON.fullmatch(key) and _is_name(value)
    ]


def _is_name(value: str) -> bool:
    return len(value) <= 80 and bool(re.fullmatch(TITLE + NAME, value.strip()))


def known_names(text: str) -> list[str]:
    """The names that the text itself tells, in their order."""
    forms = (GREETING, SIGNED, CALLED) if any(words in text for words in INTRODUCES) else (GREETING, SIGNED)
    found = [match[1].strip() for form in forms for match in form.finditer(text)]
    return [name for name in dict.fromkeys(found) if not {word.casefold() for word in name.split()} & NOBODY]


def parts(name: str) -> list[str]:
    """The whole name, then what of it may stand alone for the person."""
    alone = [word for word in re.split(r"[ \t]+", name) if len(word) >= SHORTEST and word[0].isupper()]
    return list(dict.fromkeys([name, *(word for word in alone if word.casefold() not in PLAIN)]))


def find_names(text: str, names: Iterable[str]) -> Iterator[Span]:
    """Where those names stand, whole ones first; case matters."""
    for name in sorted(set(names), key=len, reverse=True):
        if name in text:
            for found in re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", text):
                yield Span("NAME", *found.span())
