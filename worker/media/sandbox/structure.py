"""What the outer structure of a file says about its two ends: whether it was cut off, or has lost its beginning.

Pure Python on bounded reads, for files of which FFmpeg can only say that it cannot read them.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import PurePath
from typing import IO

ISO_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip", b"moof", b"styp", b"sidx"})
EBML, SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
ASF_HEADER, ASF_FILE = b"\x30\x26\xb2\x75", bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
MXF_KEY = b"\x06\x0e\x2b\x34"
HEADS = (EBML, b"RIFF", b"FLV", b"GIF8", b"OggS", ASF_HEADER, b"\x00\x00\x01\xba", MXF_KEY + b"\x02\x05\x01\x01")
SAMPLE = 128 * 1024  # bytes that are searched, in each of SAMPLES places
SAMPLES = 8
PACKED = 0.85  # of its size, of data that cannot be compressed any more
VIDEO_NAMES = frozenset(
    ".mp4 .m4v .mov .f4v .3gp .3g2 .mkv .webm .avi .flv .wmv .asf .mxf .ogv .ogg .ogm .ts .m2ts .mts .mpg .mpeg .vob"
    .split()
)  # fmt: skip

# What stands again and again inside of a container, whatever its beginning says.
_INNER = (
    re.compile(rb"\x1f\x43\xb6\x75[\x10-\xff].{0,8}\xe7[\x81-\x88]", re.DOTALL),  # a cluster of Matroska, with its time
    re.compile(rb"(?:0\d(?:dc|db|wb)|ix0\d).{3}[\x00-\x03]", re.DOTALL),  # a chunk of AVI
    re.compile(rb"OggS\x00[\x00-\x07].{6}\x00\x00", re.DOTALL),  # a page of Ogg, with a time
    re.compile(rb"\x82\x00\x00.\x5d", re.DOTALL),  # a packet of ASF
    re.compile(rb"\x06\x0e\x2b\x34[\x01\x02][\x01-\x7f]", re.DOTALL),  # a key of MXF
    re.compile(rb"(?:moof|moov|mdat|trak|stsz|stco|stts|mdhd).{3}[\x00-\xff]", re.DOTALL),  # boxes of mp4 and mov
)  # fmt: skip
_ENOUGH = 3  # of one kind
_CHAINED, _CHAINED_BYTES = 4, 128  # parts one after another, each of so many bytes or more


def is_cut_off(path: str | os.PathLike[str]) -> bool | None:
    """Whether the file ends before its outer structure does; None where that says nothing."""
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        head = file.read(4096)
        if head[4:8] in ISO_BOXES:
            return _boxes_are_cut_off(file, size)
        if head.startswith(b"RIFF"):
            return _riff_end(file, size) > size + 1
        if head.startswith(EBML):
            return _segment_end(head, size) > size
        if head.startswith(ASF_HEADER) and ASF_FILE in head:
            at = head.index(ASF_FILE) + 40
            return int.from_bytes(head[at : at + 8], "little") > size
    return None


def _boxes_are_cut_off(file: IO[bytes], size: int) -> bool:
    """The last box goes beyond the end, or there is no index at all: it is written last."""
    at, index = 0, False
    while at + 8 <= size:
        file.seek(at)
        header = file.read(16)
        length = int.from_bytes(header[:4], "big")
        length = int.from_bytes(header[8:16], "big") if length == 1 else length or size - at
        index = index or header[4:8] in (b"moov", b"moof")
        if length < 8:
            return False
        at += length
    return at > size or not index


def _riff_end(file: IO[bytes], size: int) -> int:
    """Large files are several RIFF lists one after another."""
    at = 0
    while at + 8 <= size:
        file.seek(at)
        header = file.read(8)
        if header[:4] != b"RIFF":
            return at
        at += 8 + int.from_bytes(header[4:], "little")
        at += at % 2
    return at


def _segment_end(head: bytes, size: int) -> int:
    """Of Matroska; the file's own size where the segment says that its size is not known."""
    at = head.find(SEGMENT)
    if at < 0 or at + 12 > len(head) or not head[at + 4]:
        return size
    length = 9 - head[at + 4].bit_length()
    value = int.from_bytes(head[at + 4 : at + 4 + length], "big") & ((1 << 7 * length) - 1)
    return size if value == (1 << 7 * length) - 1 else at + 4 + length + value


def has_lost_its_beginning(path: str | os.PathLike[str]) -> bool:
    """Whether the rest of a file that nothing recognises is that of a video.

    It has the parts of a container inside; or it has the name of a video, and smaller parts or data as dense as only
    compressed data are.
    """
    named = PurePath(os.fsdecode(path)).suffix.lower() in VIDEO_NAMES
    packed = []
    for sample in _samples(path):
        if any(sum(1 for _ in pattern.finditer(sample)) >= _ENOUGH for pattern in _INNER) or _is_flv(sample):
            return True
        if named and (_has_chain(sample, _BLOCK, _block_length) or _has_chain(sample, _NAL_UNIT, _nal_length)):
            return True
        packed.append(named and len(zlib.compress(sample, 1)) > PACKED * len(sample))
    return os.path.getsize(path) >= 4096 and sum(packed) > len(packed) / 2


def _samples(path: str | os.PathLike[str]) -> Iterator[bytes]:
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        for part in range(SAMPLES):
            at = max(0, (size - SAMPLE) * part // (SAMPLES - 1))
            file.seek(at)
            yield file.read(SAMPLE)
            if size <= SAMPLE:
                return


# Where a part may begin; how long it is, from there to the next, by what the pattern has found.
_FLV_TAG = re.compile(rb"(?=[\x08\x09](.{3}).{4}\x00\x00\x00)", re.DOTALL)
_BLOCK = re.compile(rb"(?=\xa3([\x10-\xff].{3}))", re.DOTALL)
_NAL_UNIT = re.compile(rb"(?=(\x00[\x00-\x0f]..)[\x01-\x7f])", re.DOTALL)


def _is_flv(sample: bytes) -> bool:
    """Tags of sound or picture, each followed by its own length."""
    good = 0
    for match in _FLV_TAG.finditer(sample):
        length = 11 + int.from_bytes(match[1], "big")
        end = match.start() + length
        good += (
            length >= _CHAINED_BYTES
            and end + 4 <= len(sample)
            and int.from_bytes(sample[end : end + 4], "big") == length
        )
        if good >= _ENOUGH:
            return True
    return False


def _has_chain(sample: bytes, begin: re.Pattern[bytes], length: Callable[[bytes], int]) -> bool:
    """Parts one after another, each beginning where the one before ends."""
    ends = {match.start(): match.start() + length(match[1]) for match in begin.finditer(sample)}
    for at in ends:
        parts = 0
        while at in ends and ends[at] - at >= _CHAINED_BYTES and parts < _CHAINED:
            at, parts = ends[at], parts + 1
        if parts >= _CHAINED:
            return True
    return False


def _block_length(size: bytes) -> int:
    """Of a block of Matroska, whose size has as many bytes as its first one has leading zeros, and one."""
    width = 9 - size[0].bit_length()
    return 1 + width + (int.from_bytes(size[:width], "big") & ((1 << 7 * width) - 1))


def _nal_length(size: bytes) -> int:
    """Of a picture of H.264 or HEVC in an mp4."""
    return 4 + int.from_bytes(size, "big")
