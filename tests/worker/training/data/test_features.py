"""The cache of base embeddings: what is in it, what survives, what is reported of broken media."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.clips import make_clip
from worker.embedders.base import pool_clip, unit
from worker.training.data.features import Features, extract
from worker.training.errors import Interrupted
from worker.training.data.arrays import ragged
from worker.training.data.pictures import read_pictures
from worker.training.data.items import Item
from worker.types import EmbedderSpec


class Colours:
    """An embedder whose vectors say what it saw: the mean colour of a picture, the letters of a text."""

    spec = EmbedderSpec("semantic", "colours", "1", 4, 16, "p", "w")

    def __init__(self) -> None:
        self.pictures = 0

    def encode_frames(self, images):
        self.pictures += len(images)
        return unit(np.array([[*image.mean((0, 1)), 1.0] for image in images], np.float32).reshape(-1, 4))

    def encode_clip(self, frame_vectors):
        return pool_clip(frame_vectors)

    def encode_text(self, texts):
        return unit(np.array([[len(t), t.count("a"), t.count("e"), 1.0] for t in texts], np.float32).reshape(-1, 4))


def photos(folder: Path, count: int) -> list[Item]:
    items = []
    for i in range(count):
        path = folder / f"{i}.png"
        Image.new("RGB", (20, 10), (i * 7 % 256, 40, 90)).save(path)
        items.append(Item(str(i), (f"picture number {i}", f"a {i}"), frames=(path,), group=f"g{i // 2}"))
    return items


def made(items, embedder, cache, frames=4, stopped=lambda: False):
    return extract(items, embedder, cache, frames=frames, progress=lambda fraction: None, stopped=stopped)


def test_every_item_has_its_own_frames_and_captions(tmp_path: Path) -> None:
    items = photos(tmp_path, 70)  # more than a shard
    features, problems = made(items, embedder := Colours(), tmp_path / "cache")
    assert problems == []
    assert features.ids == [item.id for item in items]
    assert features.captions == [caption for item in items for caption in item.captions]
    assert features.owner.tolist() == [i // 2 for i in range(140)]
    np.testing.assert_allclose(features.texts, embedder.encode_text(features.captions), atol=1e-3)
    seen = embedder.encode_frames([read_pictures(item, 4)[0] for item in items])
    np.testing.assert_allclose(features.frames, seen, atol=1e-3)
    assert features.group[0] == features.group[1] != features.group[2]


def test_a_second_run_reads_the_cache(tmp_path: Path) -> None:
    items = photos(tmp_path, 5)
    first, _ = made(items, Colours(), tmp_path / "cache")
    again, _ = made(items, embedder := Colours(), tmp_path / "cache")
    assert embedder.pictures == 0
    assert np.array_equal(first.frames, again.frames)


def test_a_changed_picture_is_embedded_again(tmp_path: Path) -> None:
    items = photos(tmp_path, 2)
    made(items, Colours(), tmp_path / "cache")
    Image.new("RGB", (30, 30), (255, 255, 255)).save(items[0].frames[0])
    changed, _ = made(items, Colours(), tmp_path / "cache")
    assert changed.frames[0, 0] == pytest.approx(0.577, abs=0.01)


def test_broken_media_are_told_and_left_out(tmp_path: Path) -> None:
    items = photos(tmp_path, 3)
    items[1].frames[0].write_bytes(b"not a picture")
    features, problems = made(items, Colours(), tmp_path / "cache")
    assert features.ids == ["0", "2"]
    assert features.captions == ["picture number 0", "a 0", "picture number 2", "a 2"]
    assert [problem.id for problem in problems] == ["1"]
    assert "not a picture" in problems[0].message


def test_what_was_embedded_before_a_stop_is_kept(tmp_path: Path) -> None:
    items = photos(tmp_path, 130)
    embedder = Colours()
    with pytest.raises(Interrupted):
        made(items, embedder, tmp_path / "cache", stopped=lambda: embedder.pictures >= 70)
    rest = Colours()
    features, _ = made(items, rest, tmp_path / "cache")
    assert len(features) == 130
    assert rest.pictures == 130 - 64


def test_frames_of_a_video_are_spread_over_it(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", seconds=4)
    assert len(read_pictures(Item("v", ("x",), video=path), 4)) == 4
    assert 1 <= len(read_pictures(Item("v", ("x",), video=path), 64)) <= 64


def test_pictures_of_a_long_list_are_thinned_evenly(tmp_path: Path) -> None:
    item = Item("v", ("x",), frames=tuple(photo.frames[0] for photo in photos(tmp_path, 9)))
    assert [picture[0, 0, 0] for picture in read_pictures(item, 3)] == [0, 28, 56]


def small() -> Features:
    return Features(
        ids=["a", "b", "c"],
        captions=["a1", "a2", "b1", "c1", "c2"],
        frames=np.arange(12, dtype=np.float16).reshape(6, 2),
        frame_start=np.array([0, 1, 3, 6]),
        texts=np.arange(10, dtype=np.float16).reshape(5, 2),
        owner=np.array([0, 0, 1, 2, 2]),
        weight=np.ones(5, np.float32),
        group=np.array([0, 1, 1]),
        words=np.arange(14, dtype=np.float16).reshape(7, 2),
        word_start=np.array([0, 1, 2, 4, 5, 7]),
        word_weight=np.arange(7, dtype=np.float32),
    )


def test_selected_items_keep_what_is_theirs() -> None:
    chosen = small().select(np.array([0, 2]))
    assert chosen.ids == ["a", "c"]
    assert chosen.captions == ["a1", "a2", "c1", "c2"]
    assert chosen.owner.tolist() == [0, 0, 1, 1]
    assert chosen.frames[:, 0].tolist() == [0, 6, 8, 10]
    assert chosen.frame_start.tolist() == [0, 1, 4]
    assert chosen.words is not None and chosen.words[:, 0].tolist() == [0, 2, 8, 10, 12]
    assert chosen.word_start is not None and chosen.word_start.tolist() == [0, 1, 2, 3, 5]


def test_an_item_that_loses_all_captions_goes() -> None:
    fewer = small().without_captions(np.array([0, 2]))
    assert fewer.ids == ["a", "c"]
    assert fewer.captions == ["a2", "c1", "c2"]
    assert fewer.owner.tolist() == [0, 1, 1]


def test_pooling_is_the_mean_of_an_items_frames() -> None:
    assert small().pooled().tolist() == [[0, 1], [3, 4], [8, 9]]


def test_ragged_spans_are_padded_and_thinned() -> None:
    values, mask = ragged(small().frames, small().frame_start, np.array([2, 0]), 2)
    assert values.tolist() == [[[6, 7], [10, 11]], [[0, 1], [0, 0]]]
    assert mask.tolist() == [[True, True], [True, False]]
