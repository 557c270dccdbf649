"""Finds cuts while frames stream by. Needs two frames of look-ahead and remembers less than a second.

A frame starts a shot when it differs from the one before it much more than its neighbours do (so a pan or a
busy scene is no cut), and when the difference is still there two frames later (so a camera flash is no cut).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from worker.media.decode.luma import Signature, difference

LOOKAHEAD = 2
HISTORY = 10  # recent differences that a cut must stand out from
MIN_DIFFERENCE = 8.0  # of 255: below this nobody sees a cut
MIN_RATIO = 2.5  # over the mean of the neighbours on both sides
MIN_RATIO_HISTORY = 1.6  # over the largest recent difference
WHOLE_PICTURE = 30.0  # of 255: so large a change after calm is a cut even if what follows is busy
MIN_RATIO_CALM = 4.0  # over the mean of the two frames before
PERSISTENCE = 0.5  # share of the change that must remain two frames later

Payload = TypeVar("Payload")


@dataclass(slots=True)
class _Seen(Generic[Payload]):
    time: float
    signature: Signature
    change: float  # against the frame before
    payload: Payload


@dataclass(frozen=True, slots=True)
class Judged(Generic[Payload]):
    """One frame, some frames later: now it is known whether it starts a shot."""

    time: float
    signature: Signature
    payload: Payload
    is_cut: bool


class CutDetector(Generic[Payload]):
    """``push`` every frame in time order; frames come back judged, in order, LOOKAHEAD frames later."""

    def __init__(self) -> None:
        self._window: deque[_Seen[Payload]] = deque()  # frames before the judged one, it, and those after
        self._position = 0  # of the next frame to judge inside the window
        self._recent: deque[float] = deque(maxlen=HISTORY)

    def push(self, time: float, signature: Signature, payload: Payload) -> Iterator[Judged[Payload]]:
        change = difference(self._window[-1].signature, signature) if self._window else 0.0
        self._window.append(_Seen(time, signature, change, payload))
        while len(self._window) - self._position > LOOKAHEAD:
            yield self._judge_next()

    def flush(self) -> Iterator[Judged[Payload]]:
        while self._position < len(self._window):
            yield self._judge_next()

    def _judge_next(self) -> Judged[Payload]:
        at = self._position
        seen = self._window[at]
        is_cut = at > 0 and self._is_cut(at)
        if not is_cut:
            self._recent.append(seen.change)
        judged = Judged(seen.time, seen.signature, seen.payload, is_cut)
        if at >= LOOKAHEAD:
            self._window.popleft()
        else:
            self._position += 1
        return judged

    def _is_cut(self, at: int) -> bool:
        change = self._window[at].change
        if change < MIN_DIFFERENCE:
            return False
        if self._recent and change < MIN_RATIO_HISTORY * max(self._recent):
            return False
        past = [self._window[i].change for i in range(max(1, at - LOOKAHEAD), at)]
        future = [self._window[i].change for i in range(at + 1, len(self._window))]
        stands_out = change >= MIN_RATIO * float(np.mean(past + future or [0.0]))
        into_busy = change >= WHOLE_PICTURE and change >= MIN_RATIO_CALM * float(np.mean(past or [0.0]))
        if not (stands_out or into_busy):
            return False
        before = self._window[at - 1].signature
        after = [self._window[i].signature for i in range(at + 1, len(self._window))]
        return all(difference(before, later) >= PERSISTENCE * change for later in after)
