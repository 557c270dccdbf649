"""Opens one untrusted video with PyAV and says what it is. Runs inside the decoding child only."""

from __future__ import annotations

import dataclasses
import os
import re
from collections import Counter
from contextlib import suppress
from fractions import Fraction
from itertools import islice

import av
import av.error
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from worker.media.decode.clock import clock_zero, has_time_stamps, may_restart, start_of
from worker.media.decode.completeness import SLACK_SECONDS, WILD_PROMISE, Promise
from worker.media.decode.fields import Interlacing
from worker.media.decode.orientation import Orientation
from worker.media.decode.unfold import is_folded, unfolded
from worker.media.errors import MediaError
from worker.media.playback import needs_proxy
from worker.media.sandbox.limits import Limits
from worker.media.sandbox.signatures import has_display_matrix, movie_header_seconds
from worker.media.sandbox.structure import HEADS, ISO_BOXES, has_lost_its_beginning, is_cut_off
from worker.media.sandbox.whitelists import TEXT_SUBTITLES, VIDEO_DECODERS, file_url, reading_options
from worker.types import Colors, ProbeFacts

MAX_SAMPLE_ASPECT = 8.0
STILL_SHARE = 0.1  # of the longest track: a shorter one of less than a second is a still picture
AS_LONG = 0.9  # of the longest track
AHEAD_PACKETS = 200  # read to tell stills from moving pictures where no header does
_MICROSECONDS = 1_000_000
_CLOCK = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)$")


def open_container(path: str, limits: Limits) -> InputContainer:
    """Opens with the whitelists. Raises MediaError when no allowed demuxer takes the file."""
    options = reading_options(pixels=limits.pixels, streams=limits.streams + 1)  # one more than choose_video takes
    try:
        source = unfolded(path, limits) if is_folded(path) else file_url(path)
        return av.open(source, "r", options=options, metadata_errors="replace")
    except av.error.InvalidDataError as error:
        raise _cannot_open(path, error) from error
    except av.error.MemoryError as error:
        raise MediaError("out_of_memory", detail=str(error)) from error
    except av.error.FFmpegError as error:
        if error.errno == 22:  # EINVAL: the demuxer that recognised the file is not on the list
            torn = has_lost_its_beginning(path)  # what is left of it looks like something else
            raise MediaError("no_beginning" if torn else "unsupported_container", detail=str(error)) from error
        raise MediaError("damaged", detail=str(error)) from error


def _cannot_open(path: str, error: Exception) -> MediaError:
    """A damaged video when the first bytes are those of one, or when only its beginning is missing; else no video."""
    with open(path, "rb") as file:
        head = file.read(1024)
    if head[4:8] in ISO_BOXES:
        # FFmpeg says 'moov atom not found': the index is written last, so the end is what is missing.
        return MediaError("truncated" if is_cut_off(path) else "damaged", detail=str(error))
    if head.startswith(HEADS):
        return MediaError("damaged", detail=str(error))
    return MediaError("no_beginning" if has_lost_its_beginning(path) else "not_video", detail=str(error))


def choose_video(container: InputContainer, limits: Limits) -> VideoStream:
    """The picture track that a person means by this video. Refuses what cannot or must not be decoded."""
    if len(container.streams) > limits.streams:
        raise MediaError("too_many_streams", detail=f"{len(container.streams)} streams")
    tracks = pictures(container)
    if not tracks:
        if container.streams.audio:
            raise MediaError("audio_only")
        raise MediaError("not_video", detail="no video stream")
    video = _main_track(container, [t for t in tracks if _is_readable(t)]) or tracks[0]
    if video.codec_context is None:
        if may_restart(container):  # these name the codec by its number: what was not recognised is broken
            raise MediaError("damaged", detail="no header of the picture")
        raise MediaError("unsupported_codec", detail="no decoder")
    if video.codec_context.name not in VIDEO_DECODERS:
        raise MediaError("unsupported_codec", detail=video.codec_context.name)
    check_picture(video.codec_context.width, video.codec_context.height, limits)
    return video


def pictures(container: InputContainer) -> list[VideoStream]:
    """The picture tracks that are not cover art."""
    return [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]


def _is_readable(track: VideoStream) -> bool:
    return track.codec_context is not None and track.codec_context.name in VIDEO_DECODERS


def _main_track(container: InputContainer, tracks: list[VideoStream]) -> VideoStream | None:
    """A moving track before a still; of those the default one; of those the longest; of those the largest."""
    if len(tracks) < 2:
        return tracks[0] if tracks else None
    lengths = {track.index: _length(track) for track in tracks}
    longest = max(lengths.values())
    stills = {t.index for t in tracks if t.frames == 1 or 0 < lengths[t.index] < min(1.0, STILL_SHARE * longest)}
    if not all(lengths.values()):
        stills |= _single_pictures(container, tracks)
    moving = [t for t in tracks if t.index not in stills] or tracks
    default = [t for t in moving if t.disposition & Disposition.default] or moving
    longest = max(lengths[t.index] for t in default)
    long = [t for t in default if lengths[t.index] >= AS_LONG * longest]
    return max(long, key=lambda t: t.codec_context.width * t.codec_context.height)


def is_still(track: VideoStream) -> bool:
    """By its header alone."""
    return track.frames == 1


def _length(track: VideoStream) -> float:
    """Seconds by the tag that Matroska writers leave, or by the track's header; 0.0 for neither."""
    clock = _CLOCK.match(track.metadata.get("DURATION", ""))
    tag = int(clock[1]) * 3600 + int(clock[2]) * 60 + float(clock[3]) if clock else 0.0
    return tag or video_promise(track)


def _single_pictures(container: InputContainer, tracks: list[VideoStream]) -> set[int]:
    """The tracks that have no second packet among the first of the file. Begins the file anew."""
    seen: Counter[int] = Counter()
    with suppress(av.error.FFmpegError, IndexError):  # what was seen until a damaged place decides
        seen.update(packet.stream.index for packet in islice(container.demux(*tracks), AHEAD_PACKETS) if packet.size)
    container.seek(0)
    return {track.index for track in tracks if seen[track.index] < 2}


def check_picture(width: int, height: int, limits: Limits) -> None:
    if width * height > limits.pixels:
        raise MediaError("too_large_picture", detail=f"{width} x {height}")


def configure_decoder(video: VideoStream, limits: Limits) -> None:
    """Frame and slice threads, and the limits again: PyAV opens this decoder with its own options."""
    context = video.codec_context
    options = reading_options(pixels=limits.pixels, streams=limits.streams)
    context.options = {name: options[name] for name in ("codec_whitelist", "max_pixels")}
    context.thread_type = "AUTO"
    context.thread_count = limits.threads


def seconds(value: int | None, base: Fraction | None) -> float:
    return 0.0 if value is None or base is None or value < 0 else float(value * base)


def video_promise(video: VideoStream) -> float:
    """What the picture track's own header says about its length; 0.0 when it says nothing."""
    return seconds(video.duration, video.time_base)


def promise_of(container: InputContainer, video: VideoStream) -> Promise:
    """The header's claim: about the picture track if it makes one, else about the file.

    The index of an mp4 and FFmpeg's estimate for transport streams give a length; other containers say where the
    file ends on its own clock, or a length: then the smaller end is meant, and a file that is whole is never refused.
    """
    length = video_promise(video)
    if container.format.name == "avi" and video.frames and video.average_rate:
        length = max(length, float(video.frames / video.average_rate))  # FFmpeg shortens what is torn
    start = start_of(video)
    has_length = length > 0 and (may_restart(container) or ("mp4" in container.format.name and video.frames > 0))
    if not length:
        length = seconds(container.duration, Fraction(1, _MICROSECONDS))
        if may_restart(container):
            start, has_length = (container.start_time or 0) / _MICROSECONDS, True
    if not length:
        return Promise(start, 0.0)
    return Promise(start, start + length if has_length or start >= length else length)


def check_movie_header(container: InputContainer, path: str) -> None:
    """Raises MediaError('header_mismatch') when the header of an mp4 or mov promises far more than its index holds."""
    if "mp4" not in container.format.name:
        return
    indexed = max([seconds(s.duration, s.time_base) for s in container.streams], default=0.0)
    promised = movie_header_seconds(path)
    if indexed > 0 and promised > WILD_PROMISE * (indexed + SLACK_SECONDS):
        raise MediaError("header_mismatch", detail=f"{promised:.1f} s promised, {indexed:.1f} s indexed")


def sample_aspect(video: VideoStream) -> float:
    """Width of a stored pixel over its height; 1.0 for missing or absurd values."""
    ratio = video.sample_aspect_ratio or video.codec_context.sample_aspect_ratio
    return _sane_aspect(float(ratio)) if ratio else 1.0


def _sane_aspect(value: float) -> float:
    return value if 1 / MAX_SAMPLE_ASPECT <= value <= MAX_SAMPLE_ASPECT else 1.0


class AspectReader:
    """The shape of the pixels of the frame that was decoded last. In broadcasts it changes in the middle."""

    def __init__(self, container: InputContainer, video: VideoStream) -> None:
        self._first, self._context = sample_aspect(video), video.codec_context
        self._may_change = may_restart(container) or not has_time_stamps(container)

    def __call__(self) -> float:
        ratio = self._context.sample_aspect_ratio if self._may_change else None
        return _sane_aspect(float(ratio)) if ratio else self._first


def displayed_size(width: int, height: int, aspect: float, turn: int) -> tuple[int, int]:
    """(width, height) as a player shows it: the narrow direction is stretched, then the picture is turned."""
    shown = (round(width * aspect), height) if aspect >= 1 else (width, round(height / aspect))
    shown = (max(1, shown[0]), max(1, shown[1]))
    return (shown[1], shown[0]) if turn in (90, 270) else shown


def container_name(container: InputContainer, path: str) -> str:
    """FFmpeg's name; Matroska is distinguished from WebM by its document type, because browsers do so."""
    name = "webp" if is_folded(path) else container.format.name
    if name != "matroska,webm":
        return name
    with open(path, "rb") as file:
        return "webm" if b"webm" in file.read(128) else "matroska"


@dataclasses.dataclass(frozen=True, slots=True)
class Seen:
    """What the first decoded frames say."""

    pixel_format: str
    orientation: Orientation
    interlacing: Interlacing
    colors: Colors
    white_nits: float


def _browsers_miss_the_matrix(container: InputContainer, path: str) -> bool:
    """Whether a display matrix that FFmpeg found is not in the header of an mp4, mov or WebM."""
    if "mp4" in container.format.name:
        return not has_display_matrix(path)
    return container_name(container, path) != "webm"


def describe(container: InputContainer, video: VideoStream, path: str, seen: Seen) -> ProbeFacts:
    """Facts from the headers and the first decoded frames. ``duration_seconds`` is still a claim."""
    context, orientation = video.codec_context, seen.orientation
    width, height = displayed_size(context.width, context.height, sample_aspect(video), orientation.turn)
    size = os.path.getsize(path)
    promise = promise_of(container, video)
    audio = next((s for s in container.streams.audio), None)
    rate = video.average_rate or video.guessed_rate
    facts = ProbeFacts(
        container=container_name(container, path),
        video_codec="webp" if is_folded(path) else context.codec.canonical_name,
        width=width,
        height=height,
        rotation=orientation.turn,
        mirrored=orientation.mirrored,
        upright_by_codec=orientation != Orientation() and _browsers_miss_the_matrix(container, path),
        duration_seconds=promise.length,
        frames_per_second=float(rate) if rate else 0.0,
        bit_rate=round(8 * size / promise.length) if promise.length > 0 else 0,
        size_bytes=size,
        audio_codec="" if audio is None or audio.codec_context is None else audio.codec_context.codec.canonical_name,
        pixel_format=seen.pixel_format,
        interlacing=seen.interlacing,
        colors=seen.colors,
        white_nits=seen.white_nits,
        subtitle_streams=tuple(
            s.index
            for s in container.streams.subtitles
            if s.codec_context is not None and s.codec_context.codec.canonical_name in TEXT_SUBTITLES
        ),
        picture_subtitles=sum(
            s.codec_context is None or s.codec_context.codec.canonical_name not in TEXT_SUBTITLES
            for s in container.streams.subtitles
        ),
        picture_stream=video.index,
        other_pictures=len([t for t in pictures(container) if t is not video and not is_still(t)]),
        is_first_picture=video is pictures(container)[0],
    )
    zero = clock_zero(container, video, as_it_is=not needs_proxy(facts))
    end = max(0.0, promise.end - zero)
    return dataclasses.replace(facts, clock_zero=zero, duration_seconds=end)
