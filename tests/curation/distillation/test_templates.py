"""Templates of a teacher's prompts: what they may say, and what is refused."""

import pytest

from curation.distillation.templates import PromptError, Template

RECORD = {"text": "Où est-il ?", "topic": "news", "tags": ["a", "b"], "row": {"odd name": "x"}}

GOOD = [
    ("Rewrite: {{ text }}", "Rewrite: Où est-il ?"),
    ("{{ topic | upper }}{% if text %}!{% endif %}", "NEWS!"),
    ("{% for tag in tags %}{{ loop.index }}{{ tag }} {% endfor %}", "1a 2b "),
    ('{{ row["odd name"] }}', "x"),
]
REFUSED = [
    "", "{{ text", "{% if %}", "{{ text.__class__ }}", "{{ ''.__class__.__mro__ }}", "{{ lipsum.__globals__ }}",
    "{{ range(10) }}", "{% include 'x' %}", "{% macro f() %}{% endmacro %}", "{{ text.upper() }}", "x" * 20_001,
    "{% for a in tags %}{% for b in tags %}{% for c in tags %}{% endfor %}{% endfor %}{% endfor %}",
]  # fmt: skip
FAILS = [
    "{{ nothing }}",
    "{{ text * 1000000000 }}",
    '{{ text | attr("__class__") }}',
    "{{ 2 ** 1000000 }}",
    '{{ "%99999999d" % 1 }}',
]


@pytest.mark.parametrize(("template", "prompt"), GOOD)
def test_a_template_is_filled_in(template: str, prompt: str) -> None:
    assert Template(template).render(RECORD).strip() == prompt.strip()


@pytest.mark.parametrize("template", REFUSED)
def test_a_template_that_does_more_is_refused(template: str) -> None:
    with pytest.raises(PromptError):
        Template(template).render(RECORD)


@pytest.mark.parametrize("template", ["{{ titel }}", '{{ row["titel"] }}'])
def test_a_column_that_is_not_there_is_named_in_plain_words(template: str) -> None:
    with pytest.raises(
        PromptError, match=r"a column that the record does not have: titel\. It has: tags, text, topic\."
    ):
        Template(template).render(RECORD)


@pytest.mark.parametrize("template", FAILS)
def test_a_template_that_fails_for_a_record_says_so(template: str) -> None:
    with pytest.raises(PromptError):
        Template(template).render(RECORD)


def test_an_unknown_column_is_named_with_the_known_ones() -> None:
    template = Template("{{ titel }} {{ text }}")
    assert template.columns == ["text", "titel"]
    with pytest.raises(PromptError, match=r"titel.*It has: tags, text, topic"):
        template.render(RECORD)
