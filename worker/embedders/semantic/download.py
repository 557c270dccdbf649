"""Getting a model's files into a folder of the data directory: from a hub id (resumable) or from a local folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import httpx2
from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)

from worker.embedders.base import EmbedderError

WANTED = (".safetensors", ".json", ".txt", ".model")  # never pickles, never code


def _wanted(name: str) -> bool:
    return name.endswith(WANTED) and "/" not in name and not name.startswith(("flax_", "tf_", "rust_", "."))


def fetch_model(source: str, folder: Path, *, on_progress: Callable[[float], None] = lambda fraction: None) -> str:
    """Copy or download ``source`` into ``folder`` and return its revision ("" for a folder).

    Whole files are kept, and a file that broke off continues where it stopped. Raises EmbedderError.
    """
    local = Path(source).expanduser()
    if local.is_dir():
        return _copy_folder(local, folder, on_progress)
    if source.startswith((".", "/", "~")):
        raise EmbedderError(f"There is no folder {source}.")
    return _download(source, folder, on_progress)


def _copy_folder(local: Path, folder: Path, on_progress: Callable[[float], None]) -> str:
    files = [f for f in sorted(local.iterdir()) if f.is_file() and _wanted(f.name)]
    if not any(f.suffix == ".safetensors" for f in files):
        raise EmbedderError(f"{local} has no .safetensors weights; pickled weights are not loaded.")
    folder.mkdir(parents=True, exist_ok=True)
    for i, file in enumerate(files):
        target = folder / file.name
        if not target.exists() or target.stat().st_size != file.stat().st_size:
            part = target.with_suffix(target.suffix + ".part")
            shutil.copyfile(file, part)
            part.replace(target)
        on_progress((i + 1) / len(files))
    return ""


def _download(source: str, folder: Path, on_progress: Callable[[float], None]) -> str:
    try:
        info = HfApi().model_info(source, files_metadata=True)
        files = [f for f in info.siblings or [] if _wanted(f.rfilename)]
        if not any(f.rfilename.endswith(".safetensors") for f in files):
            raise EmbedderError(f"{source} offers no .safetensors weights; pickled weights are not loaded.")
        total = sum(f.size or 0 for f in files) or 1
        done = 0
        for file in sorted(files, key=lambda f: f.size or 0):
            hf_hub_download(source, file.rfilename, revision=info.sha, local_dir=folder)
            done += file.size or 0
            on_progress(done / total)
        return info.sha or ""
    except (GatedRepoError, RepositoryNotFoundError, HFValidationError) as error:
        raise EmbedderError(
            f"{source!r} is neither a folder here nor a public model on the hub. Check the spelling, for example "
            "google/siglip2-base-patch16-224; for a gated model log in with `hf auth login` first."
        ) from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, httpx2.HTTPError, OSError) as error:
        raise EmbedderError(
            f"The model hub cannot be reached from this machine ({type(error).__name__}). Try again later: what was "
            "downloaded is kept. Or download the model elsewhere and give its folder to `manage.py model install`."
        ) from error
