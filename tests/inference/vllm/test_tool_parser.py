"""vLLM's parser of tool calls: named by the flags, else found by the base's chat template; none where nothing writes tools."""

import importlib.util
import json
from pathlib import Path

import pytest

from inference.vllm import tool_parser

HERMES = "{% if tools %}<tools>{{ tools }}</tools>{% endif %}{% for m in messages %}<tool_call>{{ m }}</tool_call>{% endfor %}"
CODER = HERMES + "<function=name>"
PLAIN = "{% for m in messages %}<|im_start|>{{ m.content }}<|im_end|>{% endfor %}"


@pytest.mark.parametrize(
    ("template", "parser"),
    [
        (HERMES, "hermes"),
        (CODER, "qwen3_coder"),
        ("{{ tools }}<|python_tag|>", "llama3_json"),
        ("{{ tools }}[TOOL_CALLS]", "mistral"),
        ("{{ tools }}<|tool_call|>", "granite"),
        ("{{ tools }} in a form of its own", ""),
        (PLAIN, ""),
        ("<tool_call> without anything on offer", ""),
        ("", ""),
    ],
)
def test_the_template_tells_the_parser(tmp_path, template, parser):
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}))
    assert tool_parser.find(tmp_path, (), is_template=True) == parser
    (tmp_path / "tokenizer_config.json").unlink()
    (tmp_path / "chat_template.jinja").write_text(template)
    assert tool_parser.find(tmp_path, (), is_template=True) == parser


@pytest.mark.parametrize(
    "written",
    [
        "",
        "[]",
        "{",
        '{"chat_template": 7}',
        '{"chat_template": [7]}',
        '{"chat_template": [{"name": "other"}]}',
        '{"chat_template": [{"name": ["default"]}]}',
        "[" * 200_000,
    ],
)
def test_a_folder_without_a_readable_template_has_no_parser(tmp_path, written):
    assert tool_parser.find(tmp_path, (), is_template=True) == ""
    (tmp_path / "tokenizer_config.json").write_text(written)
    assert tool_parser.find(tmp_path, (), is_template=True) == ""


def test_of_several_templates_the_one_for_tools_counts(tmp_path):
    named = [{"name": "default", "template": PLAIN}, {"name": "tool_use", "template": HERMES}]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": named}))
    assert tool_parser.find(tmp_path, (), is_template=True) == "hermes"


@pytest.mark.parametrize("flags", [("--tool-call-parser", "xlam"), ("--tool-call-parser=xlam",)])
def test_what_the_catalogue_names_stands(tmp_path, flags):
    (tmp_path / "chat_template.jinja").write_text(HERMES)
    assert tool_parser.find(tmp_path, flags, is_template=True) == "xlam"
    assert tool_parser.flags_for("xlam", flags) == ("--enable-auto-tool-choice",)
    assert tool_parser.flags_for("xlam", (*flags, "--enable-auto-tool-choice")) == ()


def test_flags_are_added_only_where_there_is_a_parser(tmp_path):
    assert tool_parser.flags_for("hermes", ()) == ("--enable-auto-tool-choice", "--tool-call-parser", "hermes")
    assert tool_parser.flags_for("", ()) == ()
    assert tool_parser.find(tmp_path, (), is_template=False) == ""


def test_vllm_knows_every_parser_that_is_chosen():
    spec = importlib.util.find_spec("vllm")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("vLLM is not installed")
    known = (Path(spec.submodule_search_locations[0]) / "tool_parsers" / "__init__.py").read_text()
    assert all(f'"{parser}": (' in known for _, parser in tool_parser.MARKS)
