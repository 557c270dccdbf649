from __future__ import annotations

import os
from pathlib import Path

import pytest

from apps.videos.identity import Identity, identity_of
from apps.videos.paths import MARK, path_from, path_text, readable_name


def test_size_time_and_inode_make_the_identity_and_the_device_does_not() -> None:
    one = Identity(5, 7, "1:2")
    assert one.same_as(Identity(5, 7, "9:2"))  # mounted again
    assert one.same_as(Identity(5, 7))  # an old row
    for other in (Identity(6, 7, "1:2"), Identity(5, 8, "1:2"), Identity(5, 7, "1:3"), None):
        assert not one.same_as(other)


def test_two_swapped_files_of_one_size_and_time_differ(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    for path, content in ((a, b"one"), (b, b"two")):
        path.write_bytes(content)
        os.utime(path, (5, 5))
    before = identity_of(a)
    a.rename(tmp_path / "c")
    b.rename(a)
    after = identity_of(a)
    assert before is not None and after is not None and not before.same_as(after)


@pytest.mark.parametrize(
    ("name", "text", "readable"),
    [
        (b"plain name.mp4", "plain name.mp4", "plain name.mp4"),
        ("Übung 日本.mp4".encode(), "Übung 日本.mp4", "Übung 日本.mp4"),
        (b"latin1_caf\xe9.mp4", f"latin1_caf{MARK}e9.mp4", "latin1_café.mp4"),
        (b"esc\x1b[31mred.mp4", f"esc{MARK}1b[31mred.mp4", "esc [31mred.mp4"),
        (b"two\nlines.mp4", f"two{MARK}0alines.mp4", "two lines.mp4"),
        ("ab\u202e4pm.exe".encode(), f"ab{MARK}e2{MARK}80{MARK}ae4pm.exe", "ab 4pm.exe"),
        (f"{MARK}e9.mp4".encode(), f"{MARK}e2{MARK}90{MARK}9be9.mp4", f"{MARK}e9.mp4"),
        (b"\xff\xfe\x00.mp4".replace(b"\x00", b""), f"{MARK}ff{MARK}fe.mp4", "ÿþ.mp4"),
    ],
)
def test_every_name_is_stored_as_text_that_gives_its_bytes_back(name: bytes, text: str, readable: str) -> None:
    stored = path_text(os.fsdecode(name))
    assert stored == text and stored.isprintable()
    assert os.fsencode(path_from(stored)) == name
    assert readable_name(os.fsdecode(name)) == readable


def test_all_single_bytes_come_back() -> None:
    for byte in range(1, 256):
        name = b"a" + bytes([byte]) + b"b"
        if byte != ord("/"):
            stored = path_text(os.fsdecode(name))
            stored.encode()
            assert os.fsencode(path_from(stored)) == name and stored.isprintable()
