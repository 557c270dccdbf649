"""What FFmpeg may open: one list for the ffmpeg binary and for PyAV.

A default FFmpeg opens whatever a file asks for: a playlist that is called ``holiday.mp4`` makes it read
other files of the machine. So only the ``file`` protocol, only containers that hold their own data, and
only decoders that real videos and old archives need (rare decoders are where the memory errors are found).
"""

from __future__ import annotations

import os

PROTOCOLS = ("file",)

# FFmpeg's demuxer names. ``matroska,webm`` and ``mov,mp4,...`` are matched by any of their parts.
FORMATS = ("mov", "matroska", "webm", "avi", "mpegts", "flv", "mpeg", "ogg", "asf", "gif", "mxf",
           "mpegvideo", "apng")  # fmt: skip

VIDEO_DECODERS = (
    "h264", "hevc", "vp8", "vp9", "libdav1d", "av1", "libaom-av1", "mpeg1video", "mpeg2video", "mpeg4",
    "msmpeg4v1", "msmpeg4v2", "msmpeg4", "h263", "flv", "wmv1", "wmv2", "wmv3", "vc1", "theora", "mjpeg",
    "prores", "dnxhd", "dvvideo", "gif", "apng", "vp6f", "vp6",
    "ffv1", "huffyuv", "ffvhuff", "rawvideo", "png", "qtrle", "cinepak", "svq1",  # of archives and editing programs
)  # fmt: skip
AUDIO_DECODERS = (
    "aac", "aac_latm", "mp1float", "mp2float", "mp3float", "mp3", "mp2", "ac3", "eac3", "dca", "opus", "libopus",
    "vorbis", "libvorbis", "flac", "alac", "wmav1", "wmav2", "wmapro", "amrnb", "amrwb", "libopencore_amrnb",
    "libopencore_amrwb", "nellymoser", "adpcm_ms", "adpcm_ima_wav", "adpcm_ima_qt", "adpcm_swf", "pcm_s16le",
    "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_s32be", "pcm_f32le", "pcm_f32be", "pcm_u8", "pcm_s8",
    "pcm_alaw", "pcm_mulaw", "pcm_bluray", "pcm_dvd",
)  # fmt: skip
SUBTITLE_DECODERS = ("mov_text", "subrip", "srt", "ass", "ssa", "webvtt", "text")

# Subtitle codecs (not decoders) whose cues are text; the others are pictures.
TEXT_SUBTITLES = frozenset({"mov_text", "subrip", "srt", "ass", "ssa", "webvtt", "text"})

PROTOCOL_WHITELIST = ",".join(PROTOCOLS)
FORMAT_WHITELIST = ",".join(FORMATS)
CODEC_WHITELIST = ",".join((*VIDEO_DECODERS, *AUDIO_DECODERS, *SUBTITLE_DECODERS))


def file_url(path: str | os.PathLike[str]) -> str:
    """``file:`` in front, so that no name is ever read as another protocol (``concat:``, ``http:``)."""
    return f"file:{os.path.abspath(os.fspath(path))}"


def reading_options(*, pixels: int, streams: int) -> dict[str, str]:
    """The input options that both FFmpeg front ends take."""
    return {
        "protocol_whitelist": PROTOCOL_WHITELIST,
        "format_whitelist": FORMAT_WHITELIST,
        "codec_whitelist": CODEC_WHITELIST,
        "max_pixels": str(pixels),
        "max_streams": str(streams),
        "enable_drefs": "0",
    }
