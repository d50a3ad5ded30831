"""vLLM's parser of tool calls for a base: the one its flags name, else the one that fits its chat template.

Without a parser vLLM refuses every request with tools. A template that never writes them cannot show a model any.
"""

import json
from pathlib import Path

# What a template writes around a call, and vLLM's parser of it; the first that fits is taken.
MARKS = (
    ("[TOOL_CALLS]", "mistral"),
    ("<function=", "qwen3_coder"),
    ("<tool_call>", "hermes"),
    ("<|python_tag|>", "llama3_json"),
    ("<|tool_call|>", "granite"),
)
MOST_BYTES = 2 << 20  # of a template


def name_in(flags: tuple[str, ...]) -> str:
    """Return the parser that a command line names; empty when it names none."""
    for place, flag in enumerate(flags):
        if flag.startswith("--tool-call-parser="):
            return flag.partition("=")[2]
        if flag == "--tool-call-parser" and place + 1 < len(flags):
            return flags[place + 1]
    return ""


def template_in(folder: Path) -> str:
    """Return the chat template of a base's folder; empty when it has none."""
    try:
        path = folder / "chat_template.jinja"
        if path.is_file():
            with path.open("rb") as file:
                return file.read(MOST_BYTES).decode("utf-8", errors="replace")
        template = json.loads((folder / "tokenizer_config.json").read_bytes()).get("chat_template")
    except (OSError, ValueError, AttributeError, RecursionError):
        return ""
    if isinstance(template, list):  # several, by name
        named = {
            one.get("name"): one.get("template")
            for one in template
            if isinstance(one, dict) and isinstance(one.get("name"), str)
        }
        template = named.get("tool_use") or named.get("default")
    return template if isinstance(template, str) else ""


def find(folder: Path, flags: tuple[str, ...], is_template: bool) -> str:
    """Return the parser for a base served with these flags; `is_template` states that its chat template writes its prompts."""
    if (named := name_in(flags)) or not is_template:
        return named
    template = template_in(folder)
    if "tools" not in template:
        return ""
    return next((parser for mark, parser in MARKS if mark in template), "")


def flags_for(parser: str, flags: tuple[str, ...]) -> tuple[str, ...]:
    """Return the flags that let a server take calls by this parser; none where it has none, or they are there."""
    if not parser or "--enable-auto-tool-choice" in flags:
        return ()
    return ("--enable-auto-tool-choice", *(() if name_in(flags) else ("--tool-call-parser", parser)))
