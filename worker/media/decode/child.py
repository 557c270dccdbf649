"""The child that decodes ONE untrusted video: ``main([..., MODE, PATH, LIMITS_JSON])``, started by ``client``.

MODE ``probe`` decodes until the first frame; ``stream`` decodes everything once; ``check`` only loads; ``unfold``
writes an animated WebP as a file that FFmpeg reads, to the path that is one argument more. Results go to standard
output as ``wire`` messages: facts, then frame and shot in time order, then end; or error instead of any of them.
Memory does not depend on the length of the video: a handful of decoded frames and one running shot.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any

import av
import av.error
import av.logging
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from worker.media.decode.clock import (
    FrameClock,
    Restarts,
    has_time_stamps,
    may_restart,
    played_tracks,
    reordering_delay,
)
from worker.media.decode.colors import ColorReader, measure_white
from worker.media.decode.completeness import Decoded, check_complete
from worker.media.decode.container import (
    AspectReader,
    Seen,
    check_movie_header,
    check_picture,
    choose_video,
    configure_decoder,
    describe,
    open_container,
    promise_of,
    video_promise,
)
from worker.media.decode.fields import Deinterlacer, Interlacing, Picture
from worker.media.decode.holes import Holes
from worker.media.decode.luma import FrameSigner
from worker.media.decode.orientation import orientation_of
from worker.media.decode.sampler import FrameSampler
from worker.media.decode.shots import CutDetector, Judged
from worker.media.decode.unfold import unfold
from worker.media.decode.upright import UprightScaler
from worker.media.decode.wire import write_message
from worker.media.errors import MediaError
from worker.media.sandbox.launcher import STATUS_FD
from worker.media.sandbox.limits import Limits
from worker.media.sandbox.structure import is_cut_off
from worker.types import ProbeFacts

SIGN_SECONDS = 0.5
RATE_GRACE_FRAMES = 1000  # decoded before the frame rate is judged
MAX_RESYNCS = 100_000
AHEAD_FRAMES, AHEAD_PIXELS = 24, 25_000_000  # decoded before a stream of H.264 is described
MAX_FIRST_ERRORS = 500  # packets that may fail before the first frame


class Decoding:
    """Decodes the frames of one open video in order and counts what happened."""

    def __init__(self, container: InputContainer, video: VideoStream, limits: Limits) -> None:
        self.container, self.video, self.limits = container, video, limits
        self.packets = self.broken_packets = self.frames = 0
        self.data_start = 0.0  # of the first packet of the picture track, on the file's clock
        self.data_end = 0.0  # of any track, on the file's clock; followed only if the picture track promises nothing
        self.stays_until = 0.0  # of the last frame, on the file's clock, where empty packets follow it
        self.restarts, self.holes = Restarts(), Holes()
        self.read_error = ""
        configure_decoder(video, limits)

    def packets_of_video(self) -> Iterator[Packet[Any]]:
        """Also follows sound and subtitles where only the file as a whole promises a length."""
        follow = not video_promise(self.video)
        streams = self.container.streams
        tracks: Iterable[Stream] = (self.video, *streams.audio, *streams.subtitles) if follow else (self.video,)
        restarting = may_restart(self.container)
        if restarting:
            tracks = played_tracks(self.container, self.video)
        for packet in self.demuxed(tracks):
            start, offset = seconds_of(packet), self.restarts.offset
            if restarting:
                self.restarts.correct(packet)
            if start is not None and packet.stream.type != "subtitle":
                until = (seconds_of(packet) or 0.0) + float((packet.duration or 0) * packet.time_base)
                self.holes.packet(start + offset, until, is_picture=packet.stream is self.video, position=packet.pos,
                                  size=packet.size)  # fmt: skip
            if follow and packet.pts is not None:
                end = (packet.pts + (packet.duration or 0)) * packet.time_base
                self.data_end = max(self.data_end, float(end))
            # The empty packets at the end have no time and all the stream_index 0. One with a time says in Ogg and AVI
            # that the last frame stays; a decoder would take it for the end.
            if packet.stream is not self.video:
                continue
            shown = packet.dts if packet.pts is None else packet.pts
            if packet.size or shown is None:
                yield packet
            else:
                self.stays_until = max(self.stays_until, float((shown + (packet.duration or 0)) * packet.time_base))

    def demuxed(self, tracks: Iterable[Stream]) -> Iterator[Packet[Any]]:
        """The packets of ``tracks``, also those after a stretch of a transport stream that cannot be read."""
        for _ in range(MAX_RESYNCS):
            try:
                yield from self.container.demux(*tracks)
                return
            except IndexError:
                return  # the end of a file in which a track appeared late: PyAV looks for it among those it knows
            except av.error.BlockingIOError:
                continue  # no packet begins in the next 64 KB: search on
            except av.error.InvalidDataError as error:
                self.read_error = str(error)  # how much was read until here decides what it means
                return

    def __iter__(self) -> Iterator[av.VideoFrame]:
        for packet in self.packets_of_video():
            if not self.packets and (first := packet.dts if packet.pts is None else packet.pts) is not None:
                self.data_start = float(first * packet.time_base)
            self.packets += 1
            if packet.has_sidedata("encryption_info"):
                raise MediaError("encrypted", detail="encrypted packets")
            try:
                frames = packet.decode()
            except av.error.MemoryError as error:
                raise MediaError("out_of_memory", detail=str(error)) from error
            except (av.error.DecoderNotFoundError, av.error.PatchWelcomeError) as error:
                raise MediaError("unsupported_codec", detail=str(error)) from error
            except av.error.FFmpegError as error:
                self.note_broken(error)
                continue
            for frame in frames:
                self.frames += 1
                check_picture(frame.width, frame.height, self.limits)
                yield frame

    def first_frames(self, frames: Iterator[av.VideoFrame]) -> list[tuple[av.VideoFrame, int]]:
        """The first of ``frames``, and of H.264, where interlaced frames may follow whole ones, about a second more.

        Each with the number of packets that were broken by then.

        Raises MediaError when there is none.
        """
        first = next(frames, None)
        if first is None:
            raise no_frames(self)
        may_change = self.video.codec_context.name == "h264"
        more = min(AHEAD_FRAMES, AHEAD_PIXELS // (first.width * first.height)) if may_change else 0
        ahead = [(first, self.broken_packets)]
        ahead.extend((frame, self.broken_packets) for frame in itertools.islice(frames, more))
        return ahead

    def all_frames(
        self, ahead: list[tuple[av.VideoFrame, int]], frames: Iterator[av.VideoFrame]
    ) -> Iterator[tuple[av.VideoFrame, int]]:
        """``ahead``, which is emptied, then ``frames``; each with the number of packets that were broken by then."""
        ahead.reverse()
        while ahead:
            yield ahead.pop()
        for frame in frames:
            yield frame, self.broken_packets

    def result(self, start: float, end: float) -> Decoded:
        """start, end: of the frames, on the file's own clock."""
        lost = sum(end - start for start, end in self.holes.spans())
        return Decoded(self.data_start, start, end, self.data_end, max(lost, self.restarts.skipped), self.packets,
                       self.broken_packets)  # fmt: skip

    def note_broken(self, error: av.error.FFmpegError) -> None:
        self.broken_packets += 1
        context = self.video.codec_context
        check_picture(context.width, context.height, self.limits)  # the decoder refused a size that grew
        if self.frames == 0 and self.broken_packets > MAX_FIRST_ERRORS:
            raise MediaError("damaged", detail=str(error)) from error


def seconds_of(packet: Packet[Any]) -> float | None:
    """When it is to be decoded, else shown, on the file's clock. None for the empty packets at the end."""
    ticks = packet.pts if packet.dts is None else packet.dts
    return None if ticks is None or not packet.size else float(ticks * packet.time_base)


def no_frames(decoding: Decoding) -> MediaError:
    if decoding.packets == 0 or (decoding.read_error and not decoding.broken_packets):
        return MediaError("truncated", detail=f"no frames; {decoding.read_error or 'no packets'}")
    return MediaError("damaged", detail=f"{decoding.packets} packets, {decoding.broken_packets} broken, no frame")


def probe(path: str, limits: Limits, out: IO[bytes]) -> None:
    with open_container(path, limits) as container:
        video = choose_video(container, limits)
        check_movie_header(container, path)
        colors, fields = ColorReader(video), Deinterlacer(video)
        decoding = Decoding(container, video, limits)
        ahead = [frame for frame, _ in decoding.first_frames(iter(decoding))]
        seen = see(path, limits, ahead, colors, fields)
        send(describe(container, video, path, seen), out)


def see(path: str, limits: Limits, ahead: Sequence[av.VideoFrame], colors: ColorReader, fields: Deinterlacer) -> Seen:
    """What the first frames say. HDR is opened a second time, to look at frames from all over it."""
    first = ahead[0]
    of_first, white = colors(first), 0.0
    if of_first.transfer != "sdr":
        with open_container(path, limits) as container:
            video = choose_video(container, limits)
            configure_decoder(video, limits)
            white = measure_white(container, video, colors)
    interlacing: Interlacing = next((kind for frame in ahead if (kind := fields.interlacing(frame))), "")
    return Seen(first.format.name, orientation_of(first), interlacing, of_first, white)


def send(facts: ProbeFacts, out: IO[bytes]) -> None:
    write_message(out, {"type": "facts", **dataclasses.asdict(facts)})


class Output:
    """Sends the kept frames and closed shots of one decode."""

    def __init__(self, out: IO[bytes], sampler: FrameSampler, scaler: UprightScaler) -> None:
        self.out, self.sampler, self.scaler = out, sampler, scaler
        self.next_sign = 0.0

    def judged(self, frames: Iterator[Judged[Picture]]) -> None:
        for frame in frames:
            kept = self.sampler.consider(frame.time, frame.signature, frame.is_cut)
            self.shots()
            if kept is not None:
                image = self.scaler(frame.payload)
                fields = {"type": "frame", "time": frame.time, "height": image.shape[0], "width": image.shape[1],
                          "reason": kept.reason, "starts_shot": kept.starts_shot}  # fmt: skip
                write_message(self.out, fields, image.data.cast("B"))

    def shots(self) -> None:
        for shot in self.sampler.closed_shots:
            write_message(self.out, {"type": "shot", **dataclasses.asdict(shot)})
        self.sampler.closed_shots.clear()

    def sign_of_life(self) -> None:
        """For stretches in which no frame is kept: a child that says nothing for long is taken for stuck."""
        if time.monotonic() >= self.next_sign:
            self.next_sign = time.monotonic() + SIGN_SECONDS
            write_message(self.out, {"type": "alive"})


def check_running(position: float, frames: int, limits: Limits) -> None:
    """The limits that only decoding can check."""
    if position > limits.duration_seconds:
        raise MediaError("too_long", detail=f"more than {limits.duration_seconds:.0f} s")
    if frames > limits.frames or (frames > RATE_GRACE_FRAMES and frames > limits.frames_per_second * (position + 1.0)):
        raise MediaError("too_many_frames", detail=f"{frames} frames in {position:.1f} s")


def stream(path: str, limits: Limits, out: IO[bytes]) -> None:
    with open_container(path, limits) as container:
        video = choose_video(container, limits)
        check_movie_header(container, path)
        colors, fields, aspect = ColorReader(video), Deinterlacer(video), AspectReader(container, video)
        decoding = Decoding(container, video, limits)
        frames = iter(decoding)
        ahead = decoding.first_frames(frames)
        facts = describe(container, video, path, see(path, limits, [f for f, _ in ahead], colors, fields))
        send(facts, out)
        zero = facts.clock_zero + reordering_delay(container, ahead[0][0].time)
        rate = video.average_rate or video.guessed_rate
        clock = FrameClock(zero, float(rate) if rate else 0.0)
        timed = has_time_stamps(container)
        tick = float(video.time_base) if video.time_base else 0.0
        promise = promise_of(container, video)
        signer, cuts = FrameSigner(), CutDetector[Picture]()
        output = Output(out, FrameSampler(promise.length), UprightScaler(facts, colors, fields))
        for frame, broken in decoding.all_frames(ahead, frames):
            position = clock.read(frame.time if timed else None, frame.duration * tick)
            decoding.holes.frame(position + zero, clock.end + zero, broken)
            check_running(position - clock.first, decoding.frames, limits)
            output.judged(cuts.push(position, signer(frame), fields.follow(frame, aspect())))
            output.sign_of_life()
        output.judged(cuts.flush())
        end = max(clock.end, decoding.stays_until - zero)
        check_complete(promise, decoding.result(clock.first + zero, end + zero), cut_off=is_cut_off(path))
        output.sampler.finish(end)
        output.shots()
        holes = [(max(0.0, start - zero), end - start) for start, end in decoding.holes.spans()]
        write_message(out, {"type": "end", "duration": end, "frames": decoding.frames, "peak": peak_memory(),
                            "holes": holes})  # fmt: skip


def peak_memory() -> int:
    """Bytes of this process at its largest; getrusage would count the parent that it was forked from."""
    try:
        with open(STATUS_FD, encoding="ascii") as status:
            return next((int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM")), 0)
    except OSError:  # no /proc here
        return 0


def main(argv: list[str]) -> int:
    if argv[1] == "check":  # all modules and libraries were found
        return 0
    mode, path, limits = argv[1], argv[2], Limits.from_json(argv[3])
    out = os.fdopen(os.dup(1), "wb", buffering=1024 * 1024)
    av.logging.restore_default_callback()  # FFmpeg's own words go to stderr, for the log of the parent
    av.logging.set_libav_level(av.logging.ERROR)
    os.dup2(2, 1)  # whatever a library prints must not get between the messages
    try:
        if mode == "unfold":
            with open(argv[4], "wb") as target:
                unfold(path, limits, target)
        else:
            {"probe": probe, "stream": stream}[mode](path, limits, out)
    except MediaError as error:
        write_message(out, {"type": "error", "code": error.code, "detail": error.detail})
    except MemoryError as error:
        write_message(out, {"type": "error", "code": "out_of_memory", "detail": str(error)})
    except av.error.FFmpegError as error:  # where only a damaged file makes FFmpeg fail, as in going back to its start
        write_message(out, {"type": "error", "code": "damaged", "detail": str(error)})
    except BrokenPipeError:
        return 1  # nobody listens any more
    out.close()
    return 0
