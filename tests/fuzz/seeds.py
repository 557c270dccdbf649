"""The undamaged files: one small clip of every container and codec that may be read, and of the odd shapes.

Codecs that the bundled ffmpeg cannot write (msmpeg4v1, wmv3, vc1, vp6) are reached by a clip that claims to be one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.clips import COMBINATIONS, ENCODERS, OWN_SHAPE, Scene, ffmpeg, make_clip

SRT = "1\n00:00:00,100 --> 00:00:00,500\nhello <i>there</i>\n\n2\n00:00:00,500 --> 00:00:00,900\n{\\an8}goodbye\n"
SECONDS, SIZE, FPS = 1.0, (96, 64), 12.5
SOUND_OF = {"webm": "libopus", "flv": "libmp3lame", "avi": "libmp3lame", "mpg": "mp2", "ogv": "libvorbis",
            "wmv": "wmav2", "mxf": "pcm_s16le"}  # fmt: skip
SOUNDS = [("mkv", "flac"), ("mkv", "eac3"), ("mkv", "dca"), ("mkv", "libvorbis"), ("mov", "alac"), ("mov", "pcm_s24be"),
          ("mov", "adpcm_ima_qt"), ("avi", "adpcm_ms"), ("avi", "adpcm_ima_wav"), ("avi", "pcm_u8"), ("wmv", "wmav1"),
          ("flv", "nellymoser"), ("flv", "adpcm_swf"), ("mp4", "libopus"), ("mp4", "ac3"), ("ts", "ac3"),
          ("ts", "pcm_bluray"), ("mpg", "pcm_dvd"), ("mkv", "pcm_alaw"), ("mkv", "pcm_f32le")]  # fmt: skip
SILENT = {"gif", "m1v", "m2v", "webp", "apng", "avif"}


def clip(folder: Path, container: str, codec: str, sound: str | None = None, **changes: object) -> Path:
    size, fps = OWN_SHAPE.get(codec, (SIZE, 25.0 if container in ("mpg", "m1v", "m2v", "mxf") else FPS))
    seconds = 0.2 if codec in ("dvvideo", "dnxhd") else SECONDS
    sound = sound if container not in SILENT else None
    return make_clip(folder / f"seed.{container}", scenes=[Scene("shapes", 1), Scene("mandelbrot", 2)],
                     seconds=seconds, size=size, fps=fps, codec=codec, audio=sound, **changes)  # type: ignore[arg-type]  # fmt: skip


def with_sound(folder: Path, container: str, codec: str) -> Path:
    return clip(folder, container, codec, SOUND_OF.get(container, "aac"))


def sounding(folder: Path, container: str, sound: str) -> Path:
    codec = {"avi": "mpeg4", "wmv": "mpeg4", "flv": "flv1", "mpg": "mpeg2video", "ts": "mpeg2video"}
    path = folder / f"sounding.{container}"
    rate = ["-ar", "44100"] if container == "flv" else ["-ar", "48000"]
    layout = ["-ac", "1"] if sound in ("nellymoser", "adpcm_ima_wav", "adpcm_swf") else ["-ac", "2"]
    ffmpeg("-i", clip(folder, "mkv", "h264", "aac"), *ENCODERS[codec.get(container, "h264")], "-c:a", sound, *rate,
           *layout, "-strict", "-2", "-r", "25", path)  # fmt: skip
    return path


def attached(folder: Path) -> Path:
    (folder / "a.ttf").write_bytes(b"\x00\x01\x00\x00" * 80)
    ffmpeg("-i", clip(folder, "mkv", "h264", "aac", subtitles=SRT), "-map", "0", "-c", "copy", "-attach",
           folder / "a.ttf", "-metadata:s:t:0", "mimetype=font/ttf", folder / "attached.mkv")  # fmt: skip
    return folder / "attached.mkv"


def subtitled(folder: Path, container: str, codec: str, subtitles: str) -> Path:
    return clip(folder, container, codec, SOUND_OF.get(container, "aac"), subtitles=SRT, subtitle_codec=subtitles)


def joined(folder: Path, container: str) -> Path:
    codec, sound = ("h264", "aac") if container == "ts" else ("mpeg2video", "mp2")
    part = clip(folder, container, codec, sound)
    whole = folder / f"joined.{container}"
    whole.write_bytes(part.read_bytes() * 3)
    return whole


def fragmented(folder: Path) -> Path:
    return clip(folder, "mp4", "h264", "aac", encoder_args=("-g", "4"),
                muxer_args=("-movflags", "frag_keyframe+empty_moov+default_base_moof"))  # fmt: skip


def two_pictures(folder: Path, container: str) -> Path:
    first, path = clip(folder, "mkv", "h264", "aac"), folder / f"two.{container}"
    ffmpeg("-i", first, "-map", "0:v", "-map", "0:v", "-map", "0:a", "-c", "copy", path)
    return path


def covered(folder: Path) -> Path:
    first, path = clip(folder, "mp4", "h264", "aac"), folder / "covered.mp4"
    ffmpeg("-i", first, "-frames:v", "1", folder / "cover.jpg")
    ffmpeg("-i", first, "-i", folder / "cover.jpg", "-map", "0", "-map", "1", "-c", "copy", "-disposition:v:1",
           "attached_pic", path)  # fmt: skip
    return path


def late(folder: Path, container: str) -> Path:
    ffmpeg("-itsoffset", "2", "-i", clip(folder, container, "h264"), "-c", "copy", folder / f"late.{container}")
    return folder / f"late.{container}"


def interlaced(folder: Path, container: str) -> Path:
    return clip(folder, container, "mpeg2video", encoder_args=("-flags", "+ilme+ildct"))


def hdr(folder: Path) -> Path:
    return clip(folder, "mkv", "hevc", pixel_format="yuv420p10le", encoder_args=(
        "-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc"))  # fmt: skip


def claiming(folder: Path, container: str, codec: str, replaced: bytes, claimed: bytes) -> Path:
    path = clip(folder, container, codec)
    data = path.read_bytes()
    assert replaced in data
    path.write_bytes(data.replace(replaced, claimed))
    return path


SEEDS: dict[str, Callable[[Path], Path]] = {
    f"{container} {codec}": partial(with_sound, container=container, codec=codec) for container, codec in COMBINATIONS
}
SEEDS |= {f"{c} sound {sound}": partial(sounding, container=c, sound=sound) for c, sound in SOUNDS}
SEEDS |= {
    "mkv attachment": attached,
    "mkv subtitles ass": partial(subtitled, container="mkv", codec="h264", subtitles="ass"),
    "mkv subtitles srt": partial(subtitled, container="mkv", codec="vp9", subtitles="srt"),
    "mp4 subtitles": partial(subtitled, container="mp4", codec="h264", subtitles="mov_text"),
    "webm subtitles": partial(subtitled, container="webm", codec="vp8", subtitles="webvtt"),
    "mp4 rotated": partial(clip, container="mp4", codec="h264", rotation=90),
    "mp4 fragmented": fragmented,
    "mp4 cover": covered,
    "ts joined": partial(joined, container="ts"),
    "mpg joined": partial(joined, container="mpg"),
    "mp4 two pictures": partial(two_pictures, container="mp4"),
    "mkv two pictures": partial(two_pictures, container="mkv"),
    "ts two pictures": partial(two_pictures, container="ts"),
    "mp4 late": partial(late, container="mp4"),
    "mkv late": partial(late, container="mkv"),
    "ts interlaced": partial(interlaced, container="ts"),
    "mpg interlaced": partial(interlaced, container="mpg"),
    "mkv hdr": hdr,
    "wmv as wmv3": partial(claiming, container="wmv", codec="wmv2", replaced=b"WMV2", claimed=b"WMV3"),
    "wmv as vc1": partial(claiming, container="wmv", codec="wmv2", replaced=b"WMV2", claimed=b"WVC1"),
    "avi as msmpeg4v1": partial(claiming, container="avi", codec="msmpeg4v2", replaced=b"MP42", claimed=b"MPG4"),
    "avi as vp6": partial(claiming, container="avi", codec="mpeg4", replaced=b"FMP4", claimed=b"VP62"),
}


def make_seed(name: str, folder: Path) -> bytes:
    """The bytes of one seed; ``folder`` is for what is needed on the way."""
    folder.mkdir(parents=True, exist_ok=True)
    return SEEDS[name](folder).read_bytes()
