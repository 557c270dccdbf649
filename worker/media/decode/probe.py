"""What a video is, without decoding all of it."""

from __future__ import annotations

import dataclasses
import os
import selectors
from collections.abc import Callable

from worker.media.decode.client import error_from, error_of_death, facts_from, start_decoder
from worker.media.decode.wire import WireError, read_message
from worker.media.errors import MediaError
from worker.media.sandbox.limits import Limits, allowed
from worker.types import ProbeFacts

PROBE_WALL_SECONDS = 120.0
POLL_SECONDS = 0.1


def probe(
    path: str | os.PathLike[str],
    *,
    limits: Limits | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> ProbeFacts:
    """Facts from the headers and one decoded frame; costs about half a second. Raises MediaError.

    ``duration_seconds`` is what the header claims: only ``open_frames`` can confirm it.
    """
    limits = limits or allowed()
    limits = dataclasses.replace(limits, wall_seconds=min(limits.wall_seconds, PROBE_WALL_SECONDS))
    with start_decoder("probe", path, limits) as child, selectors.DefaultSelector() as ready:
        ready.register(child.stdout, selectors.EVENT_READ)
        while not ready.select(POLL_SECONDS):
            if cancelled is not None and cancelled():
                raise MediaError("cancelled")
            if child.expired:
                raise MediaError("timed_out")
        try:
            message = read_message(child.stdout)
        except WireError as error:
            raise MediaError("damaged", detail=str(error)) from error
        if message is None:
            raise error_of_death(child.wait(), child.stderr_tail)
        fields = message[0]
        if fields["type"] == "error":
            raise error_from(fields, child)
        return facts_from(fields)
