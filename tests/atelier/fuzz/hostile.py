"""What a hostile or careless program may send in the place of each kind of value. The same at each run: the seed is fixed."""

import random
from typing import Any

SEED = 8
LONG = "long " * 200_000  # 1 MB
TEXTS = [
    "\x00", "a\x00b", "\ud800", "x\udfff", "", " ", "\t\n", "\u202etxt.exe", "\U0001f469\u200d\U0001f4bb" * 5, "é" * 300,
    "y" * 10_001, '{"a": [1, 2]}', "[", "null", "1'; DROP TABLE curation_record; --", "%s %(x)s {0} {{ 7 * 7 }} ${x}",
    "<script>alert(1)</script>", "../../etc/passwd", "\x1b[31m\x07", "²", "１２", "-1", "9" * 5000, "1e400", "NaN",
    "true", "http://127.0.0.1:9/", "\\x00\\ud800", "a:b OR (c", 'in:9999999999999999999 tokens:<"', "\u2028\ufeff\ufffe",
]  # fmt: skip
NUMBERS = [
    0, -1, 1, 2**31 - 1, 2**31, 2**63 - 1, 2**63, -(2**63) - 1, 10**30, 0.5, -0.5, 1.5, 1e-300, 1e308, -1e308, 100_000_000,
    99_999_999.9999, 123_456_789.123_456, 0.000_000_1, True,
]  # fmt: skip
OTHERS: list[Any] = [
    None,
    True,
    [],
    {},
    [[]],
    [None],
    {"": ""},
    {"\x00": "\ud800"},
    "1",
    1,
    1.0,
    [1] * 2000,
    10**30,
    2**64,
    -1e308,
    ["\x00"],
    [["\ud800"]],
]
# As they stand on the line: no Python value gives them.
RAW = [
    b"", b"{", b"[" * 100_000, b"null", b"[]", b'"x"', b"1", b"\xff\xfe{}", b'{"a": NaN}', b'{"a": 1e400}', b'{"a": -Infinity}',
    b'{"a": ' + b"9" * 5000 + b"}", b'{"a": ' + b'{"a": ' * 500 + b"1" + b"}" * 501, b'{"\\ud800": "\\u0000"}', b"{}" * 3,
]  # fmt: skip
# In an address, already quoted where it must be.
IN_PATH = ["0", "-1", "+1", "%C2%B2", "9" * 25, "9" * 5000, "9223372036854775807", "9223372036854775808", "1.0", "%EF%BC%91",
           "%00", "1%00", "%ED%A0%80", "%20", "x", "null", "%D9%A3"]  # fmt: skip
IN_QUERY = ["", "0", "-1", "+1", "²", "１", "٣", "9" * 25, "9" * 5000, str(2**31), str(2**63 - 1), str(2**63), "1.5", "1e400", "NaN", "\x00",
            "a\x00", "null", "[]", "{}", "1,2,²", "~", "1~", "~1", f"{2**63}~1", "2026-02-31", "0001-01-01~1", "9999-12-31T23:59:59.999999Z~1",
            "%", "a:b OR (c", "x" * 3000, "😀", "'; --", "\u202e", "true", "2026-01-01"]  # fmt: skip


# What has broken most: at every place, besides what is drawn.
WORST_TEXTS, WORST_NUMBERS = ["a\x00b", "x\ud800"], [2**63, 100_000_000, -1]
WORST_QUERIES = ["²", "9" * 5000, str(2**63), "a\x00"]


class Hostile:
    """Draws from the lists above; each list is used up before it begins again, so that nothing is left to luck."""

    def __init__(self, seed: int = SEED) -> None:
        self.random = random.Random(seed)
        self._decks: dict[int, list[Any]] = {}

    def draw(self, values: list[Any], count: int) -> list[Any]:
        drawn = []
        for _ in range(count):
            deck = self._decks.get(id(values)) or self.random.sample(values, len(values))
            drawn.append(deck.pop())
            self._decks[id(values)] = deck
        return drawn

    def instead_of(self, value: Any, count: int) -> list[Any]:
        """Return hostile values in the place of a valid one: mostly of its kind."""
        if isinstance(value, str):
            return [*WORST_TEXTS, *self.draw(TEXTS, count), *self.draw(OTHERS, 1)]
        if isinstance(value, int | float):
            return [*WORST_NUMBERS, *self.draw(NUMBERS, count), *self.draw(OTHERS, 1)]
        return self.draw(OTHERS, count)
