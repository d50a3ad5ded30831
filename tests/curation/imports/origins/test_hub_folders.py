"""Datasets in a folder of the server: what they say of themselves cannot make the server read anything beside them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from curation.imports.origins.hub_files import UnreadableDataset, check_repository
from tests.curation.imports.origins.test_collect import brought, chats  # noqa: F401

ROOT = Path(__file__).parents[4]
SECRET = "OUTSIDE-THE-FOLDER"
# Reads each folder in one process, for the library takes seconds to load: {folder: rows, or {"problem"}}.
READ = """
import json, sys
from pathlib import Path
from curation.imports.origins import hub_process
told = {}
for folder in json.load(sys.stdin):
    asked = {"name": folder, "config": "", "split": "", "revision": "", "local": folder}
    try:
        told[folder] = [str(row) for row in hub_process._stored(asked)]
    except hub_process.UnreadableDataset as error:
        told[folder] = {"problem": str(error)}
print(json.dumps(told))
"""


def readme(configs: str) -> dict[str, str]:
    return {
        "README.md": f"---\nconfigs:\n- config_name: default\n{configs}\n---\n# A dataset\n",
        "own.jsonl": '{"a": "own"}\n',
    }


def files(value: str) -> dict[str, str]:
    return readme(f"  data_files: {value}")


OUT = "{outside}/s.jsonl"
ESCAPES = {
    "absolute": files(f'"{OUT}"'),
    "upward": files('"../outside/s.jsonl"'),
    "upward in the middle": files('"sub/../../outside/s.jsonl"'),
    "upward by a pattern": files('"../outside/*.jsonl"'),
    "absolute by a pattern": files('"{outside}/*"'),
    "braces": files('"{{..,x}}/outside/s.jsonl"'),
    "home": files('"~/s.jsonl"'),
    "file scheme": files(f'"file://{OUT}"'),
    "local scheme": files(f'"local://{OUT}"'),
    "a zip elsewhere": files('"zip://*::{outside}/s.zip"'),
    "a server": files('"http://127.0.0.1:9/s.jsonl"'),
    "the hub": files('"hf://datasets/other/private/s.jsonl"'),
    "one of a list": files(f'["own.jsonl", "{OUT}"]'),
    "of a split": readme(f'  data_files:\n  - split: train\n    path: "{OUT}"'),
    "of a split's list": readme(f'  data_files:\n  - split: train\n    path: ["own.jsonl", "{OUT}"]'),
    "data_dir": readme('  data_dir: "../outside"'),
    "data_dir absolute": readme('  data_dir: "{outside}"'),
    "another config": {
        "README.md": f'---\nconfigs:\n- config_name: a\n  data_files: own.jsonl\n  default: true\n- config_name: b\n  data_files: "{OUT}"\n---\n',
        "own.jsonl": '{"a": 1}\n',
    },
    "standalone": {".huggingface.yaml": f'configs:\n- config_name: default\n  data_files: "{OUT}"\n', "own.jsonl": '{"a": 1}\n'},
    "link to a file": {"s.jsonl": "->{outside}/s.jsonl"},
    "link to a folder": {"data": "->{outside}", "own.jsonl": '{"a": 1}\n', **files('"data/s.jsonl"')},
    "link as the README": {"README.md": "->{outside}/README.md", "own.jsonl": '{"a": 1}\n'},
    "another reader": {"data.h5": "x"},
    "saved: file upward": {"state.json": '{"_data_files": [{"filename": "../outside/s.arrow"}]}', "dataset_info.json": "{}"},
    "saved: file absolute": {"state.json": '{"_data_files": [{"filename": "{outside}/s.arrow"}]}', "dataset_info.json": "{}"},
    "saved: indices": {
        "state.json": '{"_data_files": [], "_indices_data_files": [{"filename": "../x.arrow"}]}', "dataset_info.json": "{}",
    },
    "saved: split upward": {"dataset_dict.json": '{"splits": ["../outside"]}'},
    "saved: split is a link": {"dataset_dict.json": '{"splits": ["train"]}', "train": "->{outside}"},
    "saved: file is a link": {
        "state.json": '{"_data_files": [{"filename": "s.arrow"}]}', "dataset_info.json": "{}", "s.arrow": "->{outside}/s.arrow",
    },
}  # fmt: skip
KEPT = {
    "plain": {"a.jsonl": '{"a": "own"}\n'},
    "pattern": {"data/a.jsonl": '{"a": "own"}\n', **files('"data/*.jsonl"')},
    "split": {"data/a.jsonl": '{"a": "own"}\n', **readme("  data_files:\n  - split: train\n    path: data/a.jsonl")},
    "data_dir": {"data/a.jsonl": '{"a": "own"}\n', **readme("  data_dir: data")},
    "link within": {"kept/b.jsonl": '{"a": "own"}\n', "a.jsonl": "->{inside}/kept/b.jsonl"},
    "csv with an option": {"a.csv": "a;b\nown;1\n", **readme('  data_files: a.csv\n  sep: ";"')},
}


def place(root: Path, name: str, content: dict[str, str]) -> Path:
    folder = root / "allowed" / name.replace(" ", "-").replace(":", "")
    folder.mkdir(parents=True)
    for path, text in content.items():
        text = text.replace("{outside}", str(root / "outside")).replace("{inside}", str(folder))
        text = text.replace("{{", "{").replace("}}", "}") if name == "braces" else text
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        if text.startswith("->"):
            os.symlink(text[2:], folder / path)
        else:
            (folder / path).write_text(text)
    return folder


def outside(root: Path) -> None:
    (root / "outside").mkdir()
    (root / "outside" / "s.jsonl").write_text(json.dumps({"text": SECRET}) + "\n")
    (root / "outside" / "s.arrow").write_text(SECRET)
    (root / "outside" / "README.md").write_text("---\nconfigs:\n- config_name: default\n  data_files: own.jsonl\n---\n")


@pytest.mark.slow
def test_no_way_leads_out_of_a_dataset_s_folder(tmp_path):
    outside(tmp_path)
    escapes = {name: place(tmp_path, name, content) for name, content in ESCAPES.items()}
    kept = {name: place(tmp_path, f"kept {name}", content) for name, content in KEPT.items()}
    folders = [str(folder) for folder in (*escapes.values(), *kept.values())]
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "outside"), "HF_HOME": str(tmp_path / "hub"),
                   "HF_HUB_OFFLINE": "1", "USE_TORCH": "0", "PYTHONPATH": str(ROOT)}  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", READ], input=json.dumps(folders), capture_output=True, text=True, env=environment,
        cwd=tmp_path, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.splitlines()[-1])
    let_through = {name: told[str(folder)] for name, folder in escapes.items() if "problem" not in told[str(folder)]}
    assert let_through == {}
    said = [told[str(folder)]["problem"] for folder in escapes.values()]
    assert [words for words in said if not words.endswith((".", "…")) or SECRET in words] == []
    assert "is not in its folder. Put all files there" in told[str(escapes["absolute"])]["problem"]
    assert {name: told[str(folder)] for name, folder in kept.items() if "own" not in str(told[str(folder)])} == {}


@pytest.mark.slow
@pytest.mark.django_db
def test_an_import_of_a_folder_reads_nothing_that_its_readme_names_elsewhere(chats, tmp_path, settings):  # noqa: F811
    outside(tmp_path)
    folder = place(tmp_path, "ds", ESCAPES["absolute"])
    settings.IMPORT_FOLDERS = [str(tmp_path / "allowed")]
    job = brought(chats, origin={"kind": "hub", "name": str(folder)})
    assert job.status == "failed"
    assert "which is not in its folder" in job.error
    assert not chats.records.exists()


class Builder:
    """A builder of the library, as far as its files are looked at."""

    __module__ = "datasets.packaged_modules.json.json"

    def __init__(self, *named: str) -> None:
        self.config = type("Config", (), {"data_files": {"train": list(named)}})


@pytest.mark.parametrize(
    "file",
    [
        "https://example.com/x.jsonl", "hf://datasets/other/private@abc/x.jsonl", "hf://datasets/me/data2@abc/x.jsonl", "/etc/x.jsonl",
        "hf://datasets/me/data@abc/../../other/private@abc/x.jsonl", "zip://x::https://example.com/x.zip", "hf://buckets/me/data/x",
        "hf://datasets/me/data@abc/x::https://example.com/y",
    ],
)  # fmt: skip
def test_a_dataset_of_the_hub_reads_its_own_repository_alone(file):
    check_repository("me/data", Builder("hf://datasets/me/data@abc/data/x.jsonl"))
    with pytest.raises(UnreadableDataset, match="outside its repository"):
        check_repository("me/data", Builder("hf://datasets/me/data@abc/data/x.jsonl", file))


def test_the_installation_s_token_goes_along_for_those_that_the_operator_named(settings, monkeypatch, tmp_path):
    from curation.imports.origins import hub

    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    for allowed, names in (
        ([], []),
        (["acme"], ["acme/a", "acme"]),
        (["acme/a"], ["acme/a"]),
        (["*"], ["acme/a", "acme", "b/a"]),
    ):
        settings.IMPORT_HUB_TOKEN_FOR = allowed
        given = [name for name in ("acme/a", "acme", "b/a") if "HF_TOKEN" in hub._environment(tmp_path, name)]
        assert given == names, allowed
