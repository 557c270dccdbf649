"""Queries to vectors, inside the web process: onnxruntime and tokenizers on the folder of a model version.

The folder holds text.onnx, tokenizer.json and text.json; worker.embedders.semantic.export writes and checks them.
A tower is loaded once a process and version (some 0.1 to 1 s), by the first query or by /readyz before it.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from apps.core.exceptions import Unavailable
from apps.embeddings.models import ModelVersion

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

log = logging.getLogger(__name__)

THREADS = 2  # of one query; a web process answers several at once
BATCH = 32
MAX_CHARACTERS = 4_000  # no tower reads more than some hundred tokens; tokenizing a novel would only cost time
SHORTEST = 2  # tokens; exported graphs take no fewer
KEPT_TOWERS = 3  # the active one, one being tried, one just replaced


@dataclass(frozen=True)
class _Tower:
    session: InferenceSession
    tokenizer: Tokenizer
    lowercase: bool
    dim: int
    pad_id: int
    inputs: frozenset[str]

    def prepared(self, text: str) -> str:
        return (text.lower() if self.lowercase else text)[:MAX_CHARACTERS]

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        tokens = self.tokenizer.encode_batch([self.prepared(text) for text in texts])
        ids = np.array([one.ids for one in tokens], dtype=np.int64)
        mask = np.array([one.attention_mask for one in tokens], dtype=np.int64)
        if ids.shape[1] < SHORTEST:
            wider = ((0, 0), (0, SHORTEST - ids.shape[1]))
            ids, mask = np.pad(ids, wider, constant_values=self.pad_id), np.pad(mask, wider)
        feed = {"input_ids": ids, "attention_mask": mask}
        (found,) = self.session.run(["embedding"], {name: feed[name] for name in self.inputs})
        vectors = np.asarray(found, dtype=np.float32)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        if vectors.shape != (len(texts), self.dim) or not np.isfinite(norms).all() or (norms < 1e-6).any():
            raise ValueError(f"the text tower gave {vectors.shape} with a zero or infinite vector")
        return np.asarray(vectors / norms, dtype=np.float32)


_towers: dict[tuple[UUID, str], _Tower] = {}
_loading = threading.Lock()


def encode_query(version: ModelVersion, texts: Sequence[str]) -> NDArray[np.float32]:
    """(N, D) float32 of unit norm in the order of ``texts``. Unavailable when the text tower cannot be used."""
    if not texts:
        return np.zeros((0, version.dim), np.float32)
    tower = _tower_of(version)
    try:
        parts = [tower.encode(texts[at : at + BATCH]) for at in range(0, len(texts), BATCH)]
    except _tower_errors() as error:
        log.exception("the text tower of %s failed", version)
        raise Unavailable(
            f"The text encoder of {version.shown_name} does not work. Run `manage.py doctor` on the server."
        ) from error
    return np.concatenate(parts)


def part_read(version: ModelVersion, text: str) -> str:
    """The beginning of ``text`` that the text tower reads, up to the last whole word; all of it when it fits.

    Unavailable when the text tower cannot be used."""
    tower = _tower_of(version)
    tokens = tower.tokenizer.encode(tower.prepared(text))
    if not tokens.overflowing and len(text) <= MAX_CHARACTERS:
        return text
    pairs = zip(tokens.offsets, tokens.special_tokens_mask, tokens.attention_mask, strict=True)
    end = max((last for (_, last), special, used in pairs if used and not special), default=0)
    if end < len(text) and not text[end].isspace():
        end = text.rfind(" ", 0, end) + 1 or end  # in the middle of a word
    return text[:end].rstrip()


def _tower_of(version: ModelVersion) -> _Tower:
    key = (version.id, version.folder)
    tower = _towers.get(key)
    if tower is None:
        with _loading:  # one load is enough for all threads that wait for it
            tower = _towers.get(key)
            if tower is None:
                tower = _load(version)
                while len(_towers) >= KEPT_TOWERS:
                    _towers.pop(next(iter(_towers)))
                _towers[key] = tower
    return tower


def _load(version: ModelVersion) -> _Tower:
    folder = Path(version.folder) if version.folder else None
    missing = [
        name for name in ("text.onnx", "tokenizer.json", "text.json") if folder is None or not (folder / name).is_file()
    ]
    if folder is None or missing:
        log.error("%s lacks %s in %s", version, ", ".join(missing), version.folder or "no folder")
        raise Unavailable(
            f"The text encoder of {version.shown_name} is missing ({', '.join(missing)}). "
            "Run `manage.py doctor` on the server; it says how to install it again."
        )
    try:
        return _read(folder)
    except _tower_errors() as error:
        log.exception("the text tower in %s cannot be loaded", folder)
        raise Unavailable(
            f"The text encoder of {version.shown_name} is damaged. "
            "Install the model again with `manage.py model install`."
        ) from error


def _tower_errors() -> tuple[type[Exception], ...]:
    """What damaged files and a failing graph raise; onnxruntime's classes share no base but Exception."""
    from onnxruntime.capi import onnxruntime_pybind11_state as states

    names = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NoSuchFile", "NotImplemented")
    native = [getattr(states, name) for name in (*names, "RuntimeException")]
    return (*native, OSError, KeyError, ValueError, RuntimeError)


def _read_tokenizer(file: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(str(file))
    except Exception as error:  # tokenizers raises bare Exception for a damaged file
        raise ValueError(f"{file.name}: {error}") from error


def _read(folder: Path) -> _Tower:
    # Imported at the first query: management commands that never search should not pay for them.
    import onnxruntime

    settings: dict[str, Any] = json.loads((folder / "text.json").read_text())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Spinning threads would burn the cores that index videos.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(str(folder / "text.onnx"), options, providers=["CPUExecutionProvider"])
    tokenizer = _read_tokenizer(folder / "tokenizer.json")
    length = int(settings["max_length"])
    tokenizer.enable_truncation(length)
    pad_id = int(settings.get("pad_id", 0))
    token = tokenizer.id_to_token(pad_id) or "[PAD]"
    fixed = length if settings.get("pad_to_max_length") else None
    tokenizer.enable_padding(length=fixed, pad_id=pad_id, pad_token=token)
    return _Tower(
        session=session,
        tokenizer=tokenizer,
        lowercase=bool(settings.get("lowercase")),
        dim=int(settings["dim"]),
        pad_id=pad_id,
        inputs=frozenset(each.name for each in session.get_inputs()),
    )
