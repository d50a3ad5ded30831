"""The guide of the client does what it says: its blocks are run against a live server, and print what stands there."""

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "client.md"


def test_the_blocks_of_the_guide_run_and_print_what_it_says(server, capsys):
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 6
    code = "\n".join(blocks)
    exec(compile(code, str(PAGE), "exec"), {"__name__": "guide"})
    said = [line.removeprefix("# -> ") for line in code.splitlines() if line.startswith("# -> ")]
    assert capsys.readouterr().out.splitlines() == said
