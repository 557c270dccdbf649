"""The player's clock: what ``currentTime`` of a browser says while a frame is on the screen.

A file that browsers play as it is (``worker.media.playback``) keeps its own clock there: an mp4 or WebM that begins
at 30 s plays from 30 to the end, and only a negative beginning is moved to zero. Any other file is played as a
proxy, and the ffmpeg program that writes the proxy makes the first moment of the file zero. Either way a picture
that begins after the sound keeps its delay. Frames, shots, pictures, storyboards and subtitles all use this clock.
"""

from __future__ import annotations

from typing import Any

from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

LAST_FRAME_SECONDS = 10.0  # a still picture at the end counts for at most this long
# As the ffmpeg program has them, for containers whose clock may begin again in the middle.
JUMP_SECONDS = 10.0
BACKWARD_SECONDS = 0.1
MAX_REORDERING = 1.0  # seconds


def may_restart(container: InputContainer) -> bool:
    """Whether the clock of such a container may jump: transport and program streams, some others."""
    return bool(container.format.flags & 0x0200)  # AVFMT_TS_DISCONT


def has_time_stamps(container: InputContainer) -> bool:
    """Not so for a bare picture stream: what FFmpeg makes up for its frames is out of order."""
    return not container.format.flags & 0x0080  # AVFMT_NOTIMESTAMPS


def start_of(stream: Stream) -> float:
    """Seconds on the file's own clock; 0.0 when it is not known."""
    return float(stream.start_time * stream.time_base) if stream.start_time and stream.time_base else 0.0


def played_tracks(container: InputContainer, video: VideoStream) -> list[Stream]:
    """The picture track and the sound track that a proxy holds."""
    return [video, *container.streams.audio[:1]]


def clock_zero(container: InputContainer, video: VideoStream, *, as_it_is: bool) -> float:
    """The second on the file's own clock at which the player's clock says 0."""
    if as_it_is:
        return min(0.0, start_of(video))
    if may_restart(container):
        return min(start_of(stream) for stream in played_tracks(container, video))
    return (container.start_time or 0) / 1e6


def reordering_delay(container: InputContainer, first: float | None) -> float:
    """AVI says only when to decode a frame: the first one, at ``first``, comes out late by the depth of the decoder."""
    return first if container.format.name == "avi" and first is not None and 0 < first < MAX_REORDERING else 0.0


class Restarts:
    """Gives the packets of a file whose clock begins again one running clock, by the rule of the ffmpeg program.

    ``correct`` every packet of the played tracks in file order. A jump backward, or forward by more than
    JUMP_SECONDS, moves all that follows, of any track, to where the track's next packet was expected.
    """

    def __init__(self) -> None:
        self.skipped = 0.0  # seconds that jumps forward passed over
        self.offset = 0.0  # seconds that what follows is moved by
        self._last: dict[int, tuple[float, float]] = {}  # track -> time of its last packet, and of the next one

    def correct(self, packet: Packet[Any]) -> None:
        tick, known = float(packet.time_base), self._last.get(packet.stream_index)
        if packet.dts is not None:
            time = packet.dts * tick + self.offset
        elif known is not None:
            time = known[1]
        else:
            return
        last, expected = known or (time, time)
        if abs(time - expected) > JUMP_SECONDS or time + BACKWARD_SECONDS < last:
            self.offset += expected - time
            self.skipped += max(0.0, time - expected)
            time = expected
        self._last[packet.stream_index] = time, time + (packet.duration or 0) * tick
        if self.offset and packet.size:
            ticks = round(self.offset / packet.time_base)
            packet.dts = None if packet.dts is None else packet.dts + ticks
            packet.pts = None if packet.pts is None else packet.pts + ticks


class FrameClock:
    """``read`` once for every decoded frame, in output order. ``zero``: see ``clock_zero``."""

    def __init__(self, zero: float, frames_per_second: float) -> None:
        self._zero = zero
        self._usual = 1.0 / frames_per_second if 0.5 <= frames_per_second <= 1000 else 0.04
        self._started = False
        self.first = self._last = self._last_length = 0.0  # first: when the first frame is shown

    def read(self, raw: float | None, length: float) -> float:
        """Seconds on the player's clock. A missing or backward time stamp becomes 'one frame later'.

        raw: the frame's own time stamp in seconds, None if it has none. length: its duration, 0.0 if unknown.
        """
        if not self._started:
            time = self.first = max(0.0, raw - self._zero) if raw is not None else 0.0
            self._started = True
        elif raw is None:
            time = self.end
        elif (time := raw - self._zero) <= self._last:
            time = self._last + min(self._usual, 0.001)
        self._last = time
        self._last_length = length if length > 0 else self._usual
        return time

    @property
    def end(self) -> float:
        """When the last frame stops being shown: the confirmed duration, 0.0 before the first frame."""
        return 0.0 if not self._started else self._last + min(self._last_length, LAST_FRAME_SECONDS)
