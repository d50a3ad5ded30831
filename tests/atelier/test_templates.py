"""The shape of the templates: short lines, and one block-level tag a line."""

import re

from django.conf import settings

LONGEST = 160
BLOCK = (
    "article|aside|body|caption|datalist|dd|details|dialog|div|dl|dt|fieldset|figcaption|figure|footer|form|h[1-6]|head"
    "|header|html|legend|li|main|nav|noscript|ol|optgroup|option|p|pre|search|section|summary|table|tbody|td|template"
    "|tfoot|th|thead|tr|ul"
)


def faults(line: str) -> list[str]:
    """Return what is wrong with a line of a template, in words."""
    opened = re.findall(rf"<(?:{BLOCK})\b", line)
    return [
        *([f"{len(line)} characters; break it, within a tag where a blank would show"] if len(line) > LONGEST else []),
        *([f"{' and '.join(opened)} on one line; give each a line"] if len(opened) > 1 else []),
    ]


def test_every_line_of_a_template_is_short_and_opens_one_block_at_most():
    root = settings.BASE_DIR / "templates"
    paths = sorted(root.rglob("*.html"))
    assert len(paths) > 100
    found = [
        f"{path.relative_to(root)}:{number}: {fault}"
        for path in paths
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        for fault in faults(line)
    ]
    assert not found, "\n".join(found)


def test_the_shape_is_judged():
    assert faults("x" * LONGEST) == []
    assert faults("x" * (LONGEST + 1)) == ["161 characters; break it, within a tag where a blank would show"]
    assert faults('<td><a href="/">a <b>b</b></a></td>') == []
    assert faults("<dt>a</dt><dd>b</dd>") == ["<dt and <dd on one line; give each a line"]
