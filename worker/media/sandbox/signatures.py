"""What a file is, from its bytes alone: refuses the obvious non-videos with a reason before FFmpeg sees them.

Pure Python on bounded reads. It refuses only what it is sure about; everything else is FFmpeg's to judge.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import IO

from worker.media.errors import MediaError
from worker.media.sandbox.limits import Limits

HEAD_BYTES = 256 * 1024
MAX_BOXES = 10_000
TS_PACKET = 188

_ARCHIVES = (b"PK\x03\x04", b"PK\x05\x06", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00")
_PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM", b"II*\x00", b"MM\x00*", b"8BPS")
_PICTURE_BRANDS = (b"avif", b"heic", b"heix", b"mif1")
_PLAYLISTS = (b"#extm3u", b"ffconcat version", b"[playlist]", b"[reference]", b"<asx", b"<smil", b"<mpd")
_ASF_PROTECTION = (  # the GUIDs of the content encryption objects
    bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e"),
    bytes.fromhex("14e68a292226174cb935dae07ee9289c"),
)
_PROTECTED_ENTRIES = frozenset({b"encv", b"enca", b"drmi", b"drms"})
_BOX_PARENTS = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl"})


def check_signature(path: str | os.PathLike[str], limits: Limits) -> None:
    """Raises MediaError for missing, empty, too large, text, playlist, archive, picture and protected files."""
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise MediaError("not_video", detail="not a regular file")
            if status.st_size == 0:
                raise MediaError("empty")
            if status.st_size > limits.input_bytes:
                raise MediaError("too_large_file", detail=f"{status.st_size} bytes")
            head = file.read(HEAD_BYTES)
            _check_head(head)
            _check_gif_size(head, limits)
            if head[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide") and _has_protected_track(file):
                raise MediaError("encrypted", detail="protected sample entry")
    except (FileNotFoundError, IsADirectoryError) as error:
        raise MediaError("missing", detail=str(error)) from error


def _check_head(head: bytes) -> None:
    if head.startswith(b"PK\x03\x04") and len(head) > 6 and head[6] & 1:
        raise MediaError("encrypted", detail="zip archive with a password")
    if head.startswith(_ARCHIVES):
        raise MediaError("archive")
    if is_picture(head):
        raise MediaError("picture")
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()[:4096]
    if text.startswith(_PLAYLISTS) or (text.startswith(b"<?xml") and (b"<mpd" in text or b"<smil" in text)):
        raise MediaError("playlist")
    if _looks_like_text(head):
        raise MediaError("not_video", detail="text")
    if any(guid in head for guid in _ASF_PROTECTION) and head.startswith(b"\x30\x26\xb2\x75"):
        raise MediaError("encrypted", detail="ASF content encryption")
    if _is_scrambled_transport_stream(head):
        raise MediaError("encrypted", detail="scrambled transport stream")


def is_picture(head: bytes) -> bool:
    """One picture: not an animated PNG, WebP or AVIF."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return b"acTL" not in head.partition(b"IDAT")[0]
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return not is_animated_webp(head)
    return head.startswith(_PICTURES) or (head[4:8] == b"ftyp" and head[8:12] in _PICTURE_BRANDS)


def is_animated_webp(head: bytes) -> bool:
    return head.startswith(b"RIFF") and head[8:16] == b"WEBPVP8X" and len(head) > 20 and bool(head[20] & 0x02)


def _check_gif_size(head: bytes, limits: Limits) -> None:
    """FFmpeg reads the size of a GIF only while decoding, and then calls a huge one an invalid argument."""
    if head.startswith((b"GIF87a", b"GIF89a")) and len(head) >= 10:
        width, height = int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little")
        if width * height > limits.pixels:
            raise MediaError("too_large_picture", detail=f"{width} x {height}")


def _looks_like_text(head: bytes) -> bool:
    """No control characters besides white space, and decodable: no video container begins like that."""
    sample = head[:4096]
    if any(byte < 9 or 13 < byte < 32 for byte in sample):
        return False
    try:
        sample.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start >= len(sample) - 4 and len(head) > len(sample)  # a character cut by the sample's end
    return True


def _is_scrambled_transport_stream(head: bytes) -> bool:
    if len(head) < 5 * TS_PACKET or any(head[i * TS_PACKET] != 0x47 for i in range(5)):
        return False
    packets = range(0, len(head) - TS_PACKET, TS_PACKET)
    with_payload = [at for at in packets if head[at] == 0x47 and head[at + 3] & 0x10]
    scrambled = sum(1 for at in with_payload if head[at + 3] & 0xC0)
    return scrambled > 0.3 * len(with_payload)


def _boxes(file: IO[bytes], start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(type, start of the content, end) of the ISO boxes in ``[start, end)``."""
    at = start
    while at + 8 <= end:
        file.seek(at)
        header = file.read(16)
        size, kind, content = int.from_bytes(header[:4], "big"), header[4:8], at + 8
        if size == 1:
            size, content = int.from_bytes(header[8:16], "big"), at + 16
        stop = end if size == 0 else at + size
        if stop < content:
            return
        yield kind, content, min(stop, end)
        at = stop


def movie_header_seconds(path: str | os.PathLike[str]) -> float:
    """The length that the movie header of an mp4 or mov promises; FFmpeg trusts the index instead. 0.0: none."""
    with open(path, "rb") as file:
        for kind, content, stop in _boxes(file, 0, os.fstat(file.fileno()).st_size):
            if kind != b"moov":
                continue
            for inner, start, _ in _boxes(file, content, stop):
                if inner == b"mvhd":
                    file.seek(start)
                    return _mvhd_seconds(file.read(32))
    return 0.0


def has_display_matrix(path: str | os.PathLike[str]) -> bool:
    """Whether a track of this mp4 or mov is to be turned or mirrored, or was given any matrix but the usual one."""
    with open(path, "rb") as file:
        for kind, content, stop in _boxes(file, 0, os.fstat(file.fileno()).st_size):
            for inner, start, end in _boxes(file, content, stop) if kind == b"moov" else ():
                for deepest, header, _ in _boxes(file, start, end) if inner == b"trak" else ():
                    if deepest == b"tkhd" and _has_other_matrix(file, header):
                        return True
    return False


def _has_other_matrix(file: IO[bytes], header: int) -> bool:
    file.seek(header)
    content = file.read(104)
    matrix = content[52:88] if content[:1] == b"\x01" else content[40:76]
    ones = [int.from_bytes(matrix[at : at + 4], "big", signed=True) for at in (0, 4, 12, 16)]
    return len(matrix) == 36 and (ones[1:3] != [0, 0] or ones[0] <= 0 or ones[3] <= 0)


def _mvhd_seconds(header: bytes) -> float:
    if len(header) < 32:
        return 0.0
    long = header[0] == 1
    scale = int.from_bytes(header[20:24] if long else header[12:16], "big")
    duration = int.from_bytes(header[24:32] if long else header[16:20], "big")
    unknown = duration == (2**64 - 1 if long else 2**32 - 1)
    return 0.0 if unknown or scale == 0 else duration / scale


def _has_protected_track(file: IO[bytes]) -> bool:
    """Whether an mp4 or mov has a sample entry that says 'encrypted'."""
    todo = [(0, os.fstat(file.fileno()).st_size)]
    seen = 0
    while todo:
        start, end = todo.pop()
        for kind, content, stop in _boxes(file, start, end):
            seen += 1
            if seen > MAX_BOXES:
                return False
            if kind in _BOX_PARENTS:
                todo.append((content, stop))
            elif kind == b"stsd" and any(
                entry in _PROTECTED_ENTRIES for entry, _, _ in _boxes(file, content + 8, stop)
            ):
                return True
    return False
