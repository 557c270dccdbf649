"""The one exception of ``worker.media`` and the sentences that people read when a video is refused."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

# code -> what happened and what to do, for a person without technical knowledge.
MESSAGES: dict[str, str] = {
    "empty": "The file is empty (0 bytes). The upload or copy was probably cut off: send the file again.",
    "not_video": "This file is not a video. Choose a video file (mp4, mov, mkv, webm, avi, mpeg, ts, flv or gif).",
    "picture": "This file is a single picture, not a video. Choose a video file.",
    "archive": "This file is an archive (zip, rar or 7z). Unpack it and upload the videos inside.",
    "playlist": "This file is a playlist, not a video: it only points at other files. Upload those videos themselves.",
    "audio_only": "This file has sound but no picture. Only videos can be added.",
    "encrypted": "This video is protected (DRM or a password), so its pictures cannot be read. "
    "Upload a version without protection.",
    "too_large_picture": "The picture of this video is larger than allowed. Export it at a smaller size, such as 4K, "
    "or ask an administrator to raise VSEARCH_MAX_PICTURE_PIXELS.",
    "too_large_file": "This file is larger than allowed. Export it at a lower quality, cut it into parts, "
    "or ask an administrator to raise VSEARCH_MAX_VIDEO_BYTES.",
    "too_long": "This video is longer than allowed. Cut it into parts and upload them one by one, "
    "or ask an administrator to raise VSEARCH_MAX_VIDEO_HOURS.",
    "too_many_frames": "This video has more frames a second than allowed. Export it at a usual rate, such as 60.",
    "too_many_streams": "This file contains more tracks than allowed. Export it with one picture track, "
    "or ask an administrator to raise VSEARCH_MAX_TRACKS.",
    "header_mismatch": "The file claims to be much longer than what it really contains. It is damaged or was not "
    "written to the end: export it again from the source.",
    "truncated": "The end of this video is missing. The upload or recording was probably cut off: send the whole file.",
    "no_beginning": "The beginning of this video is missing or damaged, so the rest cannot be read. "
    "Copy or download the whole file again.",
    "damaged": "This video is damaged and cannot be read. Export it again from the source, or repair it.",
    "unsupported_codec": "This video uses a compression format that is not supported. "
    "Convert it to mp4 with H.264, for example with HandBrake.",
    "unsupported_container": "This kind of file is not supported. Convert it to mp4 with H.264, for example with "
    "HandBrake.",
    "timed_out": "Reading this video took longer than allowed and was stopped. Try again when the machine is less "
    "busy, or upload a shorter or smaller version.",
    "out_of_memory": "Reading this video needs more memory than allowed. Export it at a smaller picture size.",
    "no_space": "There is no space left on the server's disk. Free some space, then try again.",
    "too_large_output": "The copy of this video that browsers could play would be larger than allowed. Export the "
    "video at a lower quality or cut it into parts.",
    "cancelled": "This was cancelled.",
    "missing": "The file no longer exists. Upload it again.",
    "tool_failed": "The video tool stopped with an error. Try again; if it happens again, run `manage.py doctor`.",
}


class MediaError(Exception):
    """A video that cannot be used. ``code`` is a key of MESSAGES, ``message`` is for people,
    ``detail`` is for the log."""

    def __init__(self, code: str, message: str = "", *, detail: str = "") -> None:
        self.code = code
        self.message = message or MESSAGES[code]
        self.detail = detail
        super().__init__(f"{code}: {self.message}" + (f" [{detail}]" if detail else ""))

    def __reduce__(self) -> tuple[object, ...]:  # survives a trip between processes
        return (_rebuild, (self.code, self.message, self.detail))


def _rebuild(code: str, message: str, detail: str) -> MediaError:
    return MediaError(code, message, detail=detail)


@contextmanager
def disk_errors() -> Iterator[None]:
    """Turns the operating system's 'disk full' (and quota) into MediaError('no_space'), its limit on the size of a file
    into 'too_large_output'."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise MediaError("too_large_output", detail=str(error)) from error
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise MediaError("no_space", detail=str(error)) from error
        raise
