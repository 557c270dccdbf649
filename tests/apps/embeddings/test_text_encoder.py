from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from apps.core.exceptions import Unavailable
from apps.embeddings import text_encoder
from apps.embeddings.models import ModelVersion
from apps.embeddings.text_encoder import encode_query
from tests.apps.embeddings.towers import WORDS, forget_towers, word_vector, write_tower


@pytest.fixture(autouse=True)
def fresh_towers():
    forget_towers()
    yield
    forget_towers()


def _version(folder: Path | str) -> ModelVersion:
    return ModelVersion(role="semantic", name="tiny", dim=16, folder=str(folder))


@pytest.mark.parametrize("masked", [True, False])
def test_each_text_gets_its_own_unit_vector_in_order(tmp_path, masked):
    version = _version(write_tower(tmp_path, masked=masked))
    words = ["dog", "car", "beach"] * 30  # more than one batch
    vectors = encode_query(version, words)
    assert vectors.shape == (90, 16)
    assert vectors.dtype == np.float32
    if masked:
        assert vectors == pytest.approx(np.stack([word_vector(word) for word in words]), abs=1e-6)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(90), abs=1e-5)


def test_padding_does_not_change_a_short_text_beside_a_long_one(tmp_path):
    version = _version(write_tower(tmp_path))
    alone = encode_query(version, ["dog"])
    beside = encode_query(version, ["dog", "red car beach night snow"])
    assert beside[0] == pytest.approx(alone[0])


def test_a_text_beyond_the_maximum_length_is_cut(tmp_path):
    version = _version(write_tower(tmp_path, max_length=2))
    assert encode_query(version, ["dog dog " + "car " * 20_000])[0] == pytest.approx(word_vector("dog"))


def test_a_tower_that_wants_fixed_padding_gets_it(tmp_path):
    write_tower(tmp_path, masked=False, max_length=6)
    file = tmp_path / "text.json"
    file.write_text(file.read_text().replace('"pad_to_max_length": false', '"pad_to_max_length": true'))
    (vector,) = encode_query(_version(tmp_path), ["dog"])
    assert vector[WORDS.index("[PAD]")] == pytest.approx(5 * vector[WORDS.index("dog")])


def test_a_missing_folder_says_what_to_do(tmp_path):
    for folder in (tmp_path / "gone", ""):
        with pytest.raises(Unavailable, match="doctor"):
            encode_query(_version(folder), ["dog"])


@pytest.mark.parametrize("name", ["text.onnx", "tokenizer.json", "text.json"])
def test_a_damaged_file_is_reported_as_unavailable(tmp_path, name):
    write_tower(tmp_path)
    (tmp_path / name).write_bytes(b"not what it was")
    with pytest.raises(Unavailable, match="damaged"):
        encode_query(_version(tmp_path), ["dog"])


def test_an_empty_text_that_gives_no_direction_is_unavailable_and_never_nan(tmp_path):
    with pytest.raises(Unavailable):
        encode_query(_version(write_tower(tmp_path)), [""])


def test_many_threads_load_the_tower_once(tmp_path, monkeypatch):
    version = _version(write_tower(tmp_path))
    loads = []
    real = text_encoder._load
    monkeypatch.setattr(text_encoder, "_load", lambda given: loads.append(1) or real(given))
    found = []
    threads = [threading.Thread(target=lambda: found.append(encode_query(version, ["dog"]))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(loads) == 1
