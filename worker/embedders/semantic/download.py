"""Getting a model's files into a folder of the data directory: from a hub id (resumable) or from a local folder."""

from __future__ import annotations

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
from worker.embedders.semantic.copying import copy_model, sizes_check, wanted


class HubUnreachable(EmbedderError):
    """What was downloaded is kept: trying again continues there."""


def fetch_model(source: str, folder: Path, *, on_progress: Callable[[float], None] = lambda fraction: None) -> str:
    """Copy or download ``source`` into ``folder`` and return its revision ("" for a folder).

    Whole files are kept, and a file that broke off continues where it stopped. Raises EmbedderError.
    """
    local = Path(source).expanduser()
    if local.is_dir():
        copy_model(local, folder, on_progress)
        return ""
    if source.startswith((".", "/", "~")):
        raise EmbedderError(f"There is no folder {source}.")
    return _download(source, folder, on_progress)


def _download(source: str, folder: Path, on_progress: Callable[[float], None]) -> str:
    try:
        info = HfApi().model_info(source, files_metadata=True)
        files = [f for f in info.siblings or [] if wanted(f.rfilename)]
        folder.mkdir(parents=True, exist_ok=True)
        sizes_check(source, {f.rfilename: f.size or 0 for f in files}, folder)
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
        raise HubUnreachable(
            f"The model hub cannot be reached from this machine ({type(error).__name__}). Try again later: what was "
            "downloaded is kept. Or download the model elsewhere and give its folder to `manage.py model install`."
        ) from error
