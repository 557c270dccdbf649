"""Mining against a plain loop, and one planted case for each guard."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.training.loop import mining
from worker.training.loop.mining import NONE, Guards, Library, Mined, mine


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def mined(data: dict[str, np.ndarray], seed: int = 0, **guards: float) -> Mined:
    return mine(Library(**data), Guards(**guards), np.random.default_rng(seed))  # type: ignore[arg-type]


def library(seed: int, videos: int = 6, texts: int = 14) -> dict[str, np.ndarray]:
    """Texts near their videos, some captions twice, some videos of one group, one video perhaps without a text."""
    rng = np.random.default_rng(seed)
    video = unit(rng.normal(size=(videos, 8)))
    owner = rng.integers(0, videos, texts)
    said = rng.integers(0, texts, texts)
    return {
        "text": unit(video[owner] + 0.6 * rng.normal(size=(texts, 8))),
        "video": video,
        "owner": owner,
        "group": rng.integers(0, videos, videos),
        "captions": np.eye(texts, dtype=np.float32)[said],
    }


def oracle(
    *,
    text: np.ndarray,
    video: np.ndarray,
    owner: np.ndarray,
    group: np.ndarray,
    captions: np.ndarray,
    top: int,
    margin: float,
    skip: int,
    near: float,
) -> tuple[list[list[int]], list[list[int]], dict[str, int]]:
    """All that the guards leave, best first, and how many each removed."""
    report: dict[str, int] = {}

    def identical(a: int, b: int) -> bool:
        return float(captions[a] @ captions[b]) >= near

    def guarded(
        way: str, n: int, ranked: list[int], score: dict[int, float], same: set[int], alike: set[int]
    ) -> list[int]:
        limit = float(text[n] @ video[owner[n]]) - margin
        counts = dict.fromkeys(("same_group", "near_caption", "above_cap", "skipped"), 0)
        left = []
        for c in ranked:
            if c in same:
                counts["same_group"] += 1
            elif c in alike:
                counts["near_caption"] += 1
            elif score[c] > limit:
                counts["above_cap"] += 1
            elif counts["skipped"] < skip:
                counts["skipped"] += 1
            else:
                left.append(c)
        counts |= {"candidates": len(ranked), "left": len(left), "without": int(not left)}
        for name, count in counts.items():
            report[f"{way}_{name}"] = report.get(f"{way}_{name}", 0) + count
        return left

    videos, texts = [], []
    for n in range(len(text)):
        own = owner[n]
        score = {j: float(text[n] @ video[j]) for j in range(len(video))}
        ranked = sorted(score, key=lambda j: -score[j])[:top]
        same = {j for j in score if group[j] == group[own]}
        alike = {int(owner[m]) for m in range(len(text)) if identical(n, m)}
        videos.append(guarded("t2v", n, ranked, score, same, alike))
        score = {m: float(text[m] @ video[own]) for m in range(len(text))}
        ranked = sorted(score, key=lambda m: -score[m])[:top]
        same = {m for m in score if group[owner[m]] == group[own]}
        alike = {m for m in score if any(owner[k] == own and identical(k, m) for k in range(len(text)))}
        texts.append(guarded("v2t", n, ranked, score, same, alike))
    return videos, texts, report


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([3, 5, 50]), st.sampled_from([0.0, 0.1]), st.integers(0, 2))
def test_it_is_the_loop_over_texts_and_videos(seed: int, top: int, margin: float, skip: int) -> None:
    data = library(seed)
    found = mined(data, top=top, sample=50, margin=margin, skip=skip, near=0.9)
    videos, texts, report = oracle(**data, top=top, margin=margin, skip=skip, near=0.9)
    assert [[c for c in row if c != NONE] for row in found.video_of_text.tolist()] == videos
    assert [[c for c in row if c != NONE] for row in found.text_of_video.tolist()] == texts
    assert found.report == report


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    data = library(1)
    whole = mined(data, sample=50)
    monkeypatch.setattr(mining, "BLOCK_ELEMENTS", 3 * 14)
    parts = mined(data, sample=50)
    assert np.array_equal(whole.video_of_text, parts.video_of_text)
    assert np.array_equal(whole.text_of_video, parts.text_of_video)
    assert whole.report == parts.report


def test_a_sample_is_drawn_from_what_is_left_and_padded_with_none() -> None:
    data = library(2)
    whole = mined(data, sample=50, margin=0.0)
    drawn = [mined(data, s, sample=2, margin=0.0) for s in range(20)]
    for row in range(14):
        left = [c for c in whole.video_of_text[row].tolist() if c != NONE]
        for found in drawn:
            chosen = [c for c in found.video_of_text[row].tolist() if c != NONE]
            assert len(chosen) == len(set(chosen)) == min(2, len(left))
            assert [c for c in left if c in chosen] == chosen  # most alike first
        assert {c for found in drawn for c in found.video_of_text[row].tolist()} - {NONE} == set(left)
    again = mined(data, 3, sample=2, margin=0.0)
    assert np.array_equal(again.video_of_text, drawn[3].video_of_text)


# Four videos by their cosine to text 0, which belongs to video 0: itself 0.8, then 0.7, 0.5, 0.2.
COSINES = np.array([0.8, 0.7, 0.5, 0.2])


def planted() -> dict[str, np.ndarray]:
    video = np.zeros((4, 6), np.float32)
    video[:, 0] = COSINES
    video[np.arange(4), np.arange(1, 5)] = np.sqrt(1 - COSINES**2)
    text = np.eye(6, dtype=np.float32)[[0, 2, 3, 4]]  # text j is near video j and at right angles to text 0
    return {"text": text, "video": video, "owner": np.arange(4), "group": np.arange(4)}


def negatives_of_text_0(data: dict[str, np.ndarray], **changes: float) -> set[int]:
    found = mined(data, **{"margin": 0.0, "sample": 4} | changes)
    return set(found.video_of_text[0].tolist()) - {NONE}


def test_without_a_reason_all_others_are_negatives() -> None:
    assert negatives_of_text_0(planted()) == {1, 2, 3}


def test_guard_1_a_video_of_the_same_group_is_none() -> None:
    data = planted()
    data["group"] = np.array([5, 5, 6, 7])
    assert negatives_of_text_0(data) == {2, 3}


def test_guard_2_a_video_with_the_same_caption_is_none() -> None:
    data = planted()
    data["captions"] = np.eye(3)[[0, 1, 0, 2]]
    assert negatives_of_text_0(data) == {1, 3}
    found = mined(data, margin=0.0)
    assert 2 not in found.text_of_video[0] and 0 not in found.text_of_video[2]


def test_guard_2_a_video_with_a_nearly_equal_caption_is_none() -> None:
    data = planted()
    data["captions"] = unit(np.array([[1, 0], [0, 1], [-1, 0], [1, 0.2]]))  # texts 0 and 3: cosine 0.98
    assert negatives_of_text_0(data) == {1, 2}
    assert negatives_of_text_0(data, near=0.99) == {1, 2, 3}


def test_guard_3_a_video_that_scores_like_the_positive_is_none() -> None:
    assert negatives_of_text_0(planted(), margin=0.15) == {2, 3}
    assert negatives_of_text_0(planted(), margin=0.35) == {3}
    data = planted()
    data["owner"] = np.array([1, 1, 2, 3])  # now the positive is at 0.7, and video 0 above it
    assert negatives_of_text_0(data) == {2, 3}


def test_guard_4_the_first_ranks_of_what_is_left_are_skipped() -> None:
    assert negatives_of_text_0(planted(), skip=1) == {2, 3}
    data = planted()
    data["group"] = np.array([5, 5, 6, 7])
    assert negatives_of_text_0(data, skip=1) == {3}  # rank 1 had gone by guard 1


def test_the_report_counts_a_candidate_by_the_first_guard_that_removes_it() -> None:
    data = planted()
    data["group"] = np.array([5, 5, 6, 7])
    data["text"], data["owner"] = data["text"][:1], data["owner"][:1]
    report = mined(data, margin=0.35).report
    assert {name[4:]: count for name, count in report.items() if name.startswith("t2v_")} == {
        "candidates": 4,
        "same_group": 2,
        "near_caption": 0,
        "above_cap": 1,
        "skipped": 0,
        "left": 1,
        "without": 0,
    }


def test_what_cannot_be_mined_is_refused() -> None:
    data = planted()
    with pytest.raises(ValueError, match="one owner for each text"):
        mined({**data, "owner": np.arange(3)})
    with pytest.raises(ValueError, match="top and sample"):
        mined(data, sample=0)
    with pytest.raises(ValueError, match="diverged"):
        mined({**data, "text": data["text"] * np.nan})
