"""Decodes a video once, in a child process, while the caller works on the frames that came already."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self

import numpy as np

from worker.media.decode.client import error_from, error_of_death, facts_from, start_decoder
from worker.media.decode.wire import Message, WireError, read_message
from worker.media.errors import MediaError
from worker.media.sandbox.limits import Limits, allowed
from worker.media.sandbox.runner import Sandboxed
from worker.types import ProbeFacts, SampledFrame, Shot

READ_AHEAD_FRAMES = 96  # about 35 MB of pictures: the child decodes on while the caller embeds a batch
POLL_SECONDS = 0.1


class FrameStream:
    """Iterates over the kept frames in time order. Open it in a ``with``: leaving it ends the child at once.

    ``facts`` are there from the start. ``shots`` grows while iterating: a shot is in it before the first frame
    of the next one comes out. After the last frame ``duration_seconds`` is confirmed by decoding.
    Iterating raises MediaError; frames that came before it must then not be used.
    """

    def __init__(self, child: Sandboxed, limits: Limits, cancelled: Callable[[], bool] | None) -> None:
        self.shots: list[Shot] = []
        # Known after the last frame; the memory is that of the decoding child.
        self.duration_seconds, self.frames_decoded, self.peak_memory_bytes = 0.0, 0, 0
        self.holes: list[tuple[float, float]] = []  # what is gone in the middle: (at which second, how many seconds)
        self._child, self._limits, self._cancelled = child, limits, cancelled
        self._messages: queue.Queue[Message | MediaError | None] = queue.Queue(READ_AHEAD_FRAMES)
        self._stopped = threading.Event()
        self._heard = time.monotonic()
        self._reader = threading.Thread(target=self._read, name="frame-reader", daemon=True)
        self._reader.start()
        self.facts = self._first_facts()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:  # fmt: skip
        self.close()

    def close(self) -> None:
        """Kills the child if it still runs and waits for the reader. Safe to call again."""
        self._stopped.set()
        self._child.kill()
        self._reader.join()
        self._child.__exit__(None, None, None)

    def __iter__(self) -> Iterator[SampledFrame]:
        while True:
            fields, payload = self._next()
            kind = fields["type"]
            if kind == "frame":
                yield _frame(fields, payload)
            elif kind == "shot":
                self.shots.append(Shot(fields["start"], fields["end"], fields["key_time"]))
            elif kind == "end":
                self.duration_seconds = fields["duration"]
                self.frames_decoded, self.peak_memory_bytes = fields["frames"], fields["peak"]
                self.holes = [(float(at), float(seconds)) for at, seconds in fields["holes"]]
                return

    def _first_facts(self) -> ProbeFacts:
        try:
            fields, _ = self._next()
            if fields["type"] != "facts":
                raise MediaError("damaged", detail=f"the decoder began with {fields['type']}")
            return facts_from(fields)
        except BaseException:
            self.close()
            raise

    def _next(self) -> Message:
        """The next message of the child; waits, and ends the child on cancel, deadline or silence."""
        while True:
            self._check_patience()
            try:
                message = self._messages.get(timeout=POLL_SECONDS)
            except queue.Empty:
                continue
            if isinstance(message, MediaError):
                raise message
            if message is None:
                raise error_of_death(self._child.wait(), self._child.stderr_tail)
            if message[0]["type"] == "error":
                raise error_from(message[0], self._child)
            return message

    def _check_patience(self) -> None:
        if self._cancelled is not None and self._cancelled():
            self.close()
            raise MediaError("cancelled")
        silent = self._messages.empty() and time.monotonic() - self._heard > self._limits.stall_seconds
        if self._child.expired or silent:
            self.close()
            raise MediaError("timed_out", detail="silent" if silent else "")

    def _read(self) -> None:
        """Runs in a thread: moves messages from the pipe into the bounded queue."""
        try:
            message = self._take()
            while message is not None:
                self._put(message)
                message = self._take()
            self._put(None)
        except (WireError, KeyError) as error:
            self._put(MediaError("damaged", detail=f"{error}: {self._child.stderr_tail[-500:]}"))

    def _take(self) -> Message | None:
        """The next message that is worth queueing; a sign of life is only heard."""
        while (message := read_message(self._child.stdout)) is not None:
            self._heard = time.monotonic()
            if message[0]["type"] != "alive":
                return message
        return None

    def _put(self, message: Message | MediaError | None) -> None:
        while not self._stopped.is_set():
            try:
                self._messages.put(message, timeout=POLL_SECONDS)
                self._heard = time.monotonic()
                return
            except queue.Full:
                continue


def _frame(fields: dict[str, Any], payload: bytes) -> SampledFrame:
    height, width = fields["height"], fields["width"]
    if height <= 0 or width <= 0 or height * width * 3 != len(payload):
        raise MediaError("damaged", detail="a picture of the wrong size")
    image = np.frombuffer(payload, np.uint8).reshape(height, width, 3)
    return SampledFrame(fields["time"], image, fields["reason"], fields["starts_shot"])


def open_frames(
    path: str | os.PathLike[str],
    *,
    limits: Limits | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> FrameStream:
    """Starts decoding and returns when the first frame was decoded. Raises MediaError.

    ``cancelled`` is asked about ten times a second while waiting and before every frame.
    """
    limits = limits or allowed()
    return FrameStream(start_decoder("stream", path, limits), limits, cancelled)
