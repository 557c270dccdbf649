"""Which files browsers play as they are; the others get a copy that every browser plays."""

from __future__ import annotations

from worker.types import ProbeFacts

MP4_AUDIO = frozenset({"", "aac", "mp3"})
WEBM_VIDEO = frozenset({"vp8", "vp9", "av1"})
WEBM_AUDIO = frozenset({"", "opus", "vorbis"})
EIGHT_BIT_420 = frozenset({"yuv420p", "yuvj420p"})


def looks_right_as_it_is(facts: ProbeFacts) -> bool:
    """Whether a browser that plays the picture track unchanged shows it upright, without combs and in its colours."""
    return facts.colors.transfer == "sdr" and not facts.interlacing and not facts.upright_by_codec


def is_h264_for_browsers(facts: ProbeFacts) -> bool:
    return facts.video_codec == "h264" and facts.pixel_format in EIGHT_BIT_420 and looks_right_as_it_is(facts)


def needs_proxy(facts: ProbeFacts) -> bool:
    """Whether browsers cannot play the file as it is: only mp4/mov with 8-bit H.264 and WebM are sure to play,
    and what they play must look right."""
    if not facts.is_first_picture:  # browsers show the first one
        return True
    if not looks_right_as_it_is(facts):
        return True
    if "mp4" in facts.container.split(","):
        return not (is_h264_for_browsers(facts) and facts.audio_codec in MP4_AUDIO)
    if facts.container == "webm":
        return not (
            facts.video_codec in WEBM_VIDEO and facts.pixel_format in EIGHT_BIT_420 and facts.audio_codec in WEBM_AUDIO
        )
    return True
