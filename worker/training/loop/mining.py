"""Hard negatives from a whole train split, once an epoch, with guards against false ones (docs/adr/0019).

Exact search: blocks of matrix products in numpy, whose memory does not grow with the data. Most of the time goes into
finding near-identical captions, 2 N^2 D operations; an approximate index would save the smaller part and make a run
harder to repeat.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BLOCK_ELEMENTS = 1 << 25  # of a similarity block: 128 MiB in float32
NONE = -1


@dataclass(frozen=True)
class Mined:
    """Negatives of each of the N texts and of its video, NONE where the guards left fewer. Most alike first.

    ``report`` counts, by direction (``t2v_``, ``v2t_``): candidates, what each guard removed of what the guards before
    it had left (same_group, near_caption, above_cap, skipped), left, and texts without any (without).
    """

    video_of_text: np.ndarray  # (N, K) int64, video numbers
    text_of_video: np.ndarray  # (N, K) int64, text numbers; row n belongs to the video of text n
    report: dict[str, int]


@dataclass(frozen=True)
class Library:
    """N texts and M videos to mine in, unit rows."""

    text: np.ndarray  # (N, D)
    video: np.ndarray  # (M, D)
    owner: np.ndarray  # (N,) the video of each text
    group: np.ndarray  # (M,) same-source groups
    captions: np.ndarray | None = None  # (N, E) in place of text in guard 2: those of the frozen base do not drift

    def __post_init__(self) -> None:
        if len(self.owner) != len(self.text) or len(self.group) != len(self.video):
            raise ValueError("mining needs one owner for each text and one group for each video")
        if not (np.isfinite(self.text).all() and np.isfinite(self.video).all()):
            raise ValueError("mining needs finite vectors; training has diverged")

    def own(self) -> np.ndarray:
        """(N,) similarity of each text and its video."""
        return np.einsum("nd,nd->n", self.text, self.video[self.owner])

    def caption_vectors(self) -> np.ndarray:
        return self.text if self.captions is None else self.captions


@dataclass(frozen=True)
class Guards:
    """The ``top`` most similar go through the guards, in this order; of what is left ``sample`` are drawn:

    1. never the same video or same-source group;
    2. never a caption near-identical to the positive's: cosine of at least ``near``. A video with such a caption is no
       negative of that text, and such a caption none of that video;
    3. s_neg <= s_pos - margin: what scores like the positive is as likely an unlabelled positive;
    4. the first ``skip`` of those left go, for data from clicks, where nobody has said what else is relevant.
    """

    top: int = 200
    sample: int = 10
    margin: float = 0.05
    skip: int = 0
    near: float = 0.95

    def __post_init__(self) -> None:
        if self.top < 1 or self.sample < 1 or self.skip < 0:
            raise ValueError("mining needs top and sample of at least 1 and skip of at least 0")


@dataclass(frozen=True)
class _Draw:
    guards: Guards
    rng: np.random.Generator
    report: dict[str, int]


def mine(library: Library, guards: Guards, rng: np.random.Generator) -> Mined:
    """Negatives of every text and of its video. Raises ValueError for vectors that are not finite."""
    draw = _Draw(guards, rng, {})
    return Mined(_videos_of_texts(library, draw), _texts_of_videos(library, draw), draw.report)


def _most_similar(queries: np.ndarray, base: np.ndarray, top: int) -> tuple[np.ndarray, np.ndarray]:
    """(n, top) numbers and similarities, best first."""
    similarity = queries @ base.T
    count = min(top, len(base))
    best = np.argpartition(-similarity, count - 1, axis=1)[:, :count]
    scores = np.take_along_axis(similarity, best, 1)
    order = np.argsort(-scores, axis=1, kind="stable")
    return np.take_along_axis(best, order, 1), np.take_along_axis(scores, order, 1)


def _videos_of_texts(library: Library, draw: _Draw) -> np.ndarray:
    guards = draw.guards
    result = np.full((len(library.text), guards.sample), NONE, np.int64)
    # Texts in the order of their videos, so that "any caption of a video" is a reduction over neighbours.
    order = np.argsort(library.owner, kind="stable")
    described, starts = np.unique(library.owner[order], return_index=True)
    vectors, own = library.caption_vectors(), library.own()
    captions = vectors[order]
    step = max(BLOCK_ELEMENTS // max(len(library.text), len(library.video)), 1)
    for start in range(0, len(library.text), step):
        rows = slice(start, start + step)
        found, scores = _most_similar(library.text[rows], library.video, guards.top)
        same = library.group[found] == library.group[library.owner[rows]][:, None]
        identical = vectors[rows] @ captions.T >= guards.near
        near = np.zeros((len(found), len(library.video)), bool)
        near[:, described] = np.logical_or.reduceat(identical, starts, axis=1)
        alike = np.take_along_axis(near, found, 1)
        result[rows] = _guarded(found, scores, same, alike, own[rows], draw, "t2v_")
    return result


def _texts_of_videos(library: Library, draw: _Draw) -> np.ndarray:
    guards = draw.guards
    result = np.full((len(library.text), guards.sample), NONE, np.int64)
    order = np.argsort(library.owner, kind="stable")
    starts = np.searchsorted(library.owner[order], np.arange(len(library.video) + 1))
    captions, own = library.caption_vectors(), library.own()
    step = max(BLOCK_ELEMENTS // max(len(library.text), 1), 1)
    for start in range(0, len(library.video), step):
        block = _most_similar(library.video[start : start + step], library.text, guards.top)
        for number, (found, scores) in enumerate(zip(*block, strict=True), start):
            rows = order[starts[number] : starts[number + 1]]
            if len(rows):
                same = library.group[library.owner[found]] == library.group[number]
                alike = (captions[rows] @ captions[found].T >= guards.near).any(0)
                shape = (len(rows), len(found))
                found, scores, same, alike = (np.broadcast_to(a, shape) for a in (found, scores, same, alike))
                result[rows] = _guarded(found, scores, same, alike, own[rows], draw, "v2t_")
    return result


def _guarded(
    found: np.ndarray,
    scores: np.ndarray,
    same: np.ndarray,
    alike: np.ndarray,
    own: np.ndarray,
    draw: _Draw,
    prefix: str,
) -> np.ndarray:
    """(n, top) candidates, best first, through the guards in order -> (n, sample), drawn from what is left."""
    left = np.ones(found.shape, bool)
    counts = {"candidates": left.size}
    for name, removed in (
        ("same_group", same),
        ("near_caption", alike),
        ("above_cap", scores > (own - draw.guards.margin)[:, None]),
    ):
        counts[name] = int((left & removed).sum())
        left &= ~removed
    skipped = left & (left.cumsum(1) <= draw.guards.skip)
    counts["skipped"] = int(skipped.sum())
    left &= ~skipped
    counts["left"] = int(left.sum())
    counts["without"] = int((~left.any(1)).sum())
    for name, count in counts.items():
        draw.report[prefix + name] = draw.report.get(prefix + name, 0) + count
    return _drawn(found, left, draw)


def _drawn(found: np.ndarray, left: np.ndarray, draw: _Draw) -> np.ndarray:
    """(n, sample): that many of the candidates left in each row, each equally likely, in the order of the row."""
    ticket = np.where(left, draw.rng.random(left.shape), np.inf)
    count = min(draw.guards.sample, found.shape[1])
    places = np.argsort(ticket, axis=1)[:, :count]
    places = np.where(np.take_along_axis(left, places, 1), places, found.shape[1])
    places.sort(axis=1)  # back to the order of the row, those that were not left at the end
    padded = np.concatenate([found, np.full((len(found), 1), NONE)], 1)
    drawn = np.full((len(found), draw.guards.sample), NONE, np.int64)
    drawn[:, :count] = np.take_along_axis(padded, places, 1)
    return drawn
