"""Opens one untrusted video with PyAV and says what it is. Runs inside the decoding child only."""

from __future__ import annotations

import os
from fractions import Fraction

import av
import av.error
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from worker.media.decode.completeness import SLACK_SECONDS, WILD_PROMISE
from worker.media.errors import MediaError
from worker.media.sandbox.limits import Limits
from worker.media.sandbox.signatures import movie_header_seconds
from worker.media.sandbox.whitelists import TEXT_SUBTITLES, VIDEO_DECODERS, file_url, reading_options
from worker.types import ProbeFacts

MAX_SAMPLE_ASPECT = 8.0
_MICROSECONDS = 1_000_000


def open_container(path: str, limits: Limits) -> InputContainer:
    """Opens with the whitelists. Raises MediaError when no allowed demuxer takes the file."""
    options = reading_options(pixels=limits.pixels, streams=limits.streams)
    try:
        return av.open(file_url(path), "r", options=options, metadata_errors="replace")
    except av.error.InvalidDataError as error:
        raise _cannot_open(path, error) from error
    except av.error.MemoryError as error:
        raise MediaError("out_of_memory", detail=str(error)) from error
    except av.error.FFmpegError as error:
        if error.errno == 22:  # EINVAL: the demuxer that recognised the file is not on the list
            raise MediaError("unsupported_container", detail=str(error)) from error
        raise MediaError("damaged", detail=str(error)) from error


def _cannot_open(path: str, error: Exception) -> MediaError:
    """A damaged video when the first bytes are those of one, else not a video at all."""
    with open(path, "rb") as file:
        head = file.read(1024)
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip"):
        # FFmpeg says 'moov atom not found': the index is written last, so the end is what is missing.
        with open(path, "rb") as file:
            index_present = b"moov" in file.read(64) or _has_index(path)
        return MediaError("damaged" if index_present else "truncated", detail=str(error))
    known = (b"\x1a\x45\xdf\xa3", b"RIFF", b"FLV", b"GIF8", b"OggS", b"\x30\x26\xb2\x75", b"\x00\x00\x01\xba")
    return MediaError("damaged" if head.startswith(known) else "not_video", detail=str(error))


def _has_index(path: str) -> bool:
    size = os.path.getsize(path)
    at = 0
    with open(path, "rb") as file:
        while at + 8 <= size:
            file.seek(at)
            header = file.read(16)
            length = int.from_bytes(header[:4], "big")
            if header[4:8] == b"moov":
                return at + length <= size
            length = int.from_bytes(header[8:16], "big") if length == 1 else length
            if length < 8:
                return False
            at += length
    return False


def choose_video(container: InputContainer, limits: Limits) -> VideoStream:
    """The first picture track that is not cover art (ffmpeg's ``V:0``). Refuses what cannot or must not be decoded."""
    if len(container.streams) > limits.streams:
        raise MediaError("too_many_streams", detail=f"{len(container.streams)} streams")
    tracks = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not tracks:
        if container.streams.audio:
            raise MediaError("audio_only")
        raise MediaError("not_video", detail="no video stream")
    video = tracks[0]
    if video.codec_context is None:
        raise MediaError("unsupported_codec", detail="no decoder")
    if video.codec_context.name not in VIDEO_DECODERS:
        raise MediaError("unsupported_codec", detail=video.codec_context.name)
    check_picture(video.codec_context.width, video.codec_context.height, limits)
    return video


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


def promised_duration(container: InputContainer, video: VideoStream) -> float:
    """The header's claim: of the picture track if it has one, else of the file. 0.0: it makes none."""
    if container.format.name == "avi" and video.frames and video.average_rate:
        return max(video_promise(video), float(video.frames / video.average_rate))  # FFmpeg shortens what is torn
    return video_promise(video) or seconds(container.duration, Fraction(1, _MICROSECONDS))


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
    value = float(ratio) if ratio else 1.0
    return value if 1 / MAX_SAMPLE_ASPECT <= value <= MAX_SAMPLE_ASPECT else 1.0


def clockwise_turn(counter_clockwise: int) -> int:
    """The quarter turn (0, 90, 180, 270 degrees clockwise) that makes the picture upright."""
    return round(-counter_clockwise / 90) % 4 * 90


def displayed_size(width: int, height: int, aspect: float, turn: int) -> tuple[int, int]:
    """(width, height) as a player shows it: the narrow direction is stretched, then the picture is turned."""
    shown = (round(width * aspect), height) if aspect >= 1 else (width, round(height / aspect))
    shown = (max(1, shown[0]), max(1, shown[1]))
    return (shown[1], shown[0]) if turn in (90, 270) else shown


def container_name(container: InputContainer, path: str) -> str:
    """FFmpeg's name; Matroska is distinguished from WebM by its document type, because browsers do so."""
    name = container.format.name
    if name != "matroska,webm":
        return name
    with open(path, "rb") as file:
        return "webm" if b"webm" in file.read(128) else "matroska"


def describe(container: InputContainer, video: VideoStream, path: str, *, turn: int, pixel_format: str) -> ProbeFacts:
    """Facts from the headers and the first decoded frame. ``duration_seconds`` is still a claim."""
    context = video.codec_context
    width, height = displayed_size(context.width, context.height, sample_aspect(video), turn)
    size = os.path.getsize(path)
    duration = promised_duration(container, video)
    audio = next((s for s in container.streams.audio), None)
    rate = video.average_rate or video.guessed_rate
    return ProbeFacts(
        container=container_name(container, path),
        video_codec=context.codec.canonical_name,
        width=width,
        height=height,
        rotation=turn,
        duration_seconds=duration,
        frames_per_second=float(rate) if rate else 0.0,
        bit_rate=round(8 * size / duration) if duration > 0 else 0,
        size_bytes=size,
        audio_codec="" if audio is None or audio.codec_context is None else audio.codec_context.codec.canonical_name,
        pixel_format=pixel_format,
        subtitle_streams=tuple(
            s.index
            for s in container.streams.subtitles
            if s.codec_context is not None and s.codec_context.codec.canonical_name in TEXT_SUBTITLES
        ),
    )
