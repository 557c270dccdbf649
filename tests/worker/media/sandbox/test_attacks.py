"""A playlist that calls itself a video never makes FFmpeg open another file: neither PyAV nor the binary."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from pathlib import Path

import av
import av.error
import pytest

from tests.clips import make_clip
from worker.media.decode.container import open_container
from worker.media.decode.probe import probe
from worker.media.errors import MediaError
from worker.media.sandbox.ffmpeg_command import ffmpeg_command, untrusted_input
from worker.media.sandbox.limits import Limits
from worker.media.sandbox.runner import run_sandboxed
from worker.media.sandbox.whitelists import reading_options

IN_OPEN = 0x20


class OpenWatch:
    """Asks the kernel (inotify) whether anybody opened a file."""

    def __init__(self, path: Path) -> None:
        libc = ctypes.CDLL(None)
        self._handle = libc.inotify_init1(os.O_NONBLOCK)
        assert libc.inotify_add_watch(self._handle, os.fsencode(path), IN_OPEN) >= 0

    def opened(self) -> bool:
        try:
            return bool(os.read(self._handle, 65536))
        except BlockingIOError:
            return False

    def close(self) -> None:
        os.close(self._handle)


def hls(target: Path) -> str:
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile://{target}\n#EXT-X-ENDLIST\n"


def concat(target: Path) -> str:
    return f"ffconcat version 1.0\nfile {target.name}\n"


def dash(target: Path) -> str:
    return (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:full:2011" '
        'type="static" mediaPresentationDuration="PT2S"><Period><AdaptationSet mimeType="video/mp4">'
        f'<Representation id="1" bandwidth="1000"><BaseURL>{target.name}</BaseURL></Representation>'
        "</AdaptationSet></Period></MPD>"
    )


PLAYLISTS = [hls, concat, dash]


@pytest.fixture
def watched(tmp_path: Path) -> OpenWatch:
    make_clip(tmp_path / "secret.ts", seconds=0.5)
    return OpenWatch(tmp_path / "secret.ts")


@pytest.mark.parametrize("playlist", PLAYLISTS)
def test_pyav_with_our_options_never_opens_what_a_playlist_names(
    tmp_path: Path, watched: OpenWatch, playlist: Callable[[Path], str]
) -> None:
    attack = tmp_path / "holiday.mp4"
    attack.write_text(playlist(tmp_path / "secret.ts"))
    with pytest.raises(MediaError):
        open_container(str(attack), Limits())
    with pytest.raises(MediaError, match="playlist"):
        probe(attack)
    assert not watched.opened()
    (tmp_path / "secret.ts").read_bytes()
    assert watched.opened()  # the watch works


@pytest.mark.parametrize("playlist", PLAYLISTS)
def test_the_binary_with_our_options_never_opens_what_a_playlist_names(
    tmp_path: Path, watched: OpenWatch, playlist: Callable[[Path], str]
) -> None:
    attack = tmp_path / "holiday.mp4"
    attack.write_text(playlist(tmp_path / "secret.ts"))
    command = ffmpeg_command(untrusted_input(attack, Limits()).output("-", f="null"))
    result = run_sandboxed(command, limits=Limits(), reads=[tmp_path])  # so that it is not Landlock that refuses
    assert result.returncode != 0
    assert not watched.opened()


def test_without_our_options_the_same_playlist_is_followed(tmp_path: Path, watched: OpenWatch) -> None:
    """The control: it shows that the tests above can fail."""
    attack = tmp_path / "holiday.mp4"
    attack.write_text(concat(tmp_path / "secret.ts"))
    with av.open(str(attack)) as container:
        assert container.format.name == "concat"
    assert watched.opened()


def test_only_the_file_protocol_is_allowed(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", seconds=0.5)
    options = reading_options(pixels=10**7, streams=8)
    for url in (f"concat:{clip}", f"async:{clip}", f"subfile,,start,0,end,0,,:{clip}", "http://127.0.0.1:9/x.mp4"):
        with pytest.raises((av.error.FFmpegError, OSError)):
            av.open(url, options=options)


def test_the_binary_decodes_only_the_listed_codecs(tmp_path: Path) -> None:
    rare = make_clip(tmp_path / "rare.mov", codec="magicyuv", seconds=0.5)
    usual = make_clip(tmp_path / "usual.mkv", codec="h264", seconds=0.5)
    status = {}
    for path in (rare, usual):
        command = ffmpeg_command(untrusted_input(path, Limits()).output("-", f="null"))
        result = run_sandboxed(command, limits=Limits(), reads=[path])
        status[path.name] = result.returncode == 0
    assert status == {"rare.mov": False, "usual.mkv": True}


def test_a_name_that_looks_like_a_protocol_is_a_file(tmp_path: Path) -> None:
    for name in ("concat:a.mp4", "-i.mp4", "pipe:0", "http:x.mp4", "a|b %d.mp4"):
        assert probe(make_clip(tmp_path / name, container="mp4", seconds=0.5)).video_codec == "h264"
