"""Paths of this machine in what is shown: cut down to their last part, and nothing else touched."""

import pytest

from atelier.files.local_paths import hidden


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("No adapter found for /srv/atelier/var/runs/1/adapter", "No adapter found for …/adapter"),
        ("'/srv/atelier/var/runs/1/adapter'", "'…/adapter'"),
        ("{'model': '/root/models/smol', 'port': 8000}", "{'model': '…/smol', 'port': 8000}"),
        ("model=/root/models/smol/", "model=…/smol"),
        ("(/opt/a/b.py:12)", "(…/b.py:12)"),
        ("file:///etc/atelier/key", "file://…/key"),
        ("[Errno 28] No space left on device: '/dev/shm/psm_1'", "[Errno 28] No space left on device: '…/psm_1'"),
        ("see http://127.0.0.1:8000/v1/models", "see http://127.0.0.1:8000/v1/models"),
        ("HuggingFaceTB/SmolLM2-135M and/or 3/4", "HuggingFaceTB/SmolLM2-135M and/or 3/4"),
        ("nothing of that kind", "nothing of that kind"),
        ("", ""),
    ],
)
def test_a_path_is_cut_down(text: str, shown: str) -> None:
    assert hidden(text) == shown


def test_known_folders_are_found_though_their_names_hold_blanks() -> None:
    roots = ["/home/My Data/var", "/home/My Data", "/"]
    assert hidden("no /home/My Data/var/runs/1/adapter there", roots) == "no …/adapter there"
    assert hidden("no /home/My Data/var.", roots) == "no …."
    assert hidden("no /home/My Data/various/x", roots) == "no …/x"
