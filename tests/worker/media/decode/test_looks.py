"""Pictures look right: HDR, interlaced, turned, mirrored and stretched copies of one clip look as the plain one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.clips import ENCODERS, Scene, ffmpeg, make_clip
from worker.embedders.registry import load_copy, load_semantic
from worker.media.decode.probe import probe
from worker.media.decode.stream import open_frames
from worker.media.derived.proxy import make_proxy
from worker.media.playback import needs_proxy
from worker.media.tones import to_sdr, white_of
from worker.types import Colors, FloatArray

MODELS = Path(__file__).parents[4] / "models"
WIDTH, HEIGHT = 320, 240
COSINES = {"semantic": 0.985, "copy": 0.97}  # at least; untreated HDR has 0.67, combs 0.979
PLAYED_AS_THEY_ARE = {"turned_90.mp4", "mirrored.mp4", "upside_down_mirror.mov", "mirrored_and_turned.mp4"}
SDR = "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv"
TO_LIGHT = f"{SDR},zscale=t=linear:npl=203,format=gbrpf32le"
H264, HEVC = ENCODERS["h264"], ENCODERS["hevc"]
X264 = (*H264, "-crf", "10", "-pix_fmt", "yuv420p")
X265 = (*HEVC, "-crf", "10")
TOP_FIRST, BOTTOM_FIRST = "tinterlace=interleave_top,setfield=tff", "tinterlace=interleave_bottom,setfield=bff"
ILACE = ("-flags", "+ilme+ildct")


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds, 50 pictures a second, nothing lost: a pan over a still scene, so that fields show combs."""
    folder = tmp_path_factory.mktemp("looks")
    scene = make_clip(folder / "wide.mkv", scenes=[Scene("testsrc", 1)], size=(640, HEIGHT), seconds=0.02, fps=50,
                      codec="ffv1")  # fmt: skip
    pan = f"setpts=N/50/TB,crop={WIDTH}:{HEIGHT}:x='min(n*3,320)',hue=s=0.5,{SDR}"
    ffmpeg("-stream_loop", "99", "-i", scene, "-vf", pan,
           "-r", "50", "-c:v", "ffv1", "-pix_fmt", "yuv420p", folder / "master.mkv")  # fmt: skip
    return folder / "master.mkv"


def frames(path: Path) -> NDArray[np.uint8]:
    with open_frames(path) as stream:
        return np.stack([frame.image for frame in stream])


@pytest.fixture(scope="module")
def plain(master: Path) -> NDArray[np.uint8]:
    """(N, H, W, 3) kept pictures of the master at 25 pictures a second."""
    path = master.with_name("plain.mp4")
    ffmpeg("-i", master, "-vf", "fps=25", *X264, path)
    return frames(path)


@pytest.fixture(scope="module")
def vectors() -> Callable[[NDArray[np.uint8]], tuple[FloatArray, FloatArray]]:
    semantic, copy = load_semantic(MODELS / "semantic", "bundled", "1"), load_copy(MODELS / "copy")
    return lambda images: (semantic.encode_frames(list(images)), copy.encode_frames(list(images)))


def hdr(transfer: str, white: int, matrix: str = "bt2020nc", full: bool = False, layout: str = "yuv420p10le") -> str:
    """The filters that give the clip to HDR with its white at ``white`` nits."""
    return (f"{TO_LIGHT},zscale=p=bt2020:t={transfer}:m={matrix}:r={'pc' if full else 'tv'}:npl={white},"
            f"format={layout}")  # fmt: skip


def filtered(filters: str, *codec: str, rate: str = "25") -> Callable[[Path, Path], None]:
    return lambda master, path: ffmpeg("-i", master, "-vf", f"fps={rate},{filters}", *codec, path)


def with_matrix(*options: str, turned_back: str) -> Callable[[Path, Path], None]:
    """Stored as ``turned_back`` leaves it, and a matrix that undoes that."""

    def make(master: Path, path: Path) -> None:
        stored = path.with_name(f"stored-{path.name}")
        ffmpeg("-i", master, "-vf", f"fps=25,{turned_back}", *X264, stored)
        ffmpeg(*options, "-i", stored, "-c", "copy", path)

    return make


def only_in(place: str) -> Callable[[Path, Path], None]:
    """The tags of PQ only in the container, or only in the picture stream."""

    def make(master: Path, path: Path) -> None:
        tagged = path.with_name(f"tagged-{path.name}")
        filtered(hdr("smpte2084", 203), *X265)(master, tagged)
        names = ("colour_primaries", "transfer_characteristics", "matrix_coefficients")
        unset = "hevc_metadata=" + ":".join(f"{name}=2" for name in names)
        options = ("-bsf:v", unset) if place == "container" else ("-movflags", "-write_colr")
        ffmpeg("-i", tagged, "-c", "copy", *options, path)

    return make


def orientation_in_stream(master: Path, path: Path) -> None:
    filtered("hflip", *X264, "-bsf:v", "h264_metadata=display_orientation=insert:flip=horizontal")(master, path)


PQ, HLG = "smpte2084", "arib-std-b67"
VP9 = (*ENCODERS["vp9"], "-b:v", "3M", "-profile:v", "2")
KINDS: dict[str, Callable[[Path, Path], None]] = {
    "hdr10.mp4": filtered(hdr(PQ, 203), *X265),
    "hdr10_white_100.mkv": filtered(hdr(PQ, 100), *X265),
    "hdr10_full_range.ts": filtered(hdr(PQ, 203, full=True), *X265),
    "hdr10_709_matrix_12_bit.mkv": filtered(hdr(PQ, 203, matrix="bt709", layout="yuv422p12le"), *X265),
    "hdr10_8_bit.mp4": filtered(hdr(PQ, 203, layout="yuv420p"), *X264),
    "pq_in_container.mp4": only_in("container"),
    "pq_in_stream.mp4": only_in("stream"),
    "hlg.mkv": filtered(hdr(HLG, 203), *X265),
    "hlg_white_100.webm": filtered(hdr(HLG, 100), *VP9),
    "wide_gamut_sdr.mp4": filtered(hdr("bt2020-10", 100), *X265),
    "interlaced.ts": filtered(TOP_FIRST, *ENCODERS["mpeg2video"], *ILACE, rate="50"),
    "interlaced.mp4": filtered(TOP_FIRST, *X264, *ILACE, rate="50"),
    "bottom_first.mkv": filtered(BOTTOM_FIRST, *X264, *ILACE, "-x264-params", "bff=1", rate="50"),
    "container_says_interlaced.mov": filtered(f"format=yuv422p,{TOP_FIRST}", "-c:v", "huffyuv", rate="50"),
    "turned_90.mp4": with_matrix("-display_rotation", "-90", turned_back="transpose=cclock"),
    "mirrored.mp4": with_matrix("-display_hflip", turned_back="hflip"),
    "upside_down_mirror.mov": with_matrix("-display_vflip", turned_back="vflip"),
    "mirrored_and_turned.mp4": with_matrix("-display_rotation", "-90", "-display_hflip",
                                           turned_back="hflip,transpose=cclock"),
    "mirrored_in_stream.mp4": orientation_in_stream,
    "wide_pixels.mkv": filtered("scale=240:240,setsar=4/3", *X264),
    "wide_pixels.ts": filtered("scale=240:240,setsar=4/3", *ENCODERS["mpeg2video"]),
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_a_copy_of_another_kind_looks_and_is_found_as_the_plain_one(
    master: Path, plain: NDArray[np.uint8], tmp_path: Path, name: str,
    vectors: Callable[[NDArray[np.uint8]], tuple[FloatArray, FloatArray]],
) -> None:  # fmt: skip
    path, proxy = tmp_path / name, tmp_path / "proxy.mp4"
    KINDS[name](master, path)
    facts = probe(path)
    assert (facts.width, facts.height) == (WIDTH, HEIGHT)
    assert needs_proxy(facts) is (name not in PLAYED_AS_THEY_ARE)
    make_proxy(path, proxy, facts=facts)
    shown = {"pictures": frames(path)}
    if needs_proxy(facts):
        shown["proxy"] = frames(proxy)
    wanted = vectors(plain)
    for place, images in shown.items():
        assert images.shape == plain.shape, place
        assert images.mean(axis=(0, 1, 2)) == pytest.approx(plain.mean(axis=(0, 1, 2)), rel=0.1), place
        assert np.abs(images.astype(int) - plain).mean() < 9, place
        for role, least, got, right in zip(COSINES, COSINES.values(), vectors(images), wanted, strict=True):
            similar = (got * right).sum(axis=1)
            assert similar.min() > least, (place, role, similar)


def test_a_stream_that_becomes_interlaced_is_deinterlaced_whole_pictures_stay(master: Path, tmp_path: Path) -> None:
    """What is only marked as interlaced keeps its detail; what begins whole and becomes interlaced is treated."""
    whole, combs, path = tmp_path / "whole.ts", tmp_path / "combs.ts", tmp_path / "both.ts"
    codec = (*ENCODERS["mpeg2video"], *ILACE)
    ffmpeg("-i", master, "-vf", "fps=25,setfield=prog", *ENCODERS["mpeg2video"], whole)
    filtered(TOP_FIRST, *codec, rate="50")(master, combs)
    path.write_bytes(whole.read_bytes() + combs.read_bytes())
    first = frames(whole)
    assert np.abs(first.astype(int) - frames(path)[: len(first)]).mean() < 1
    assert frames(path).shape[0] == pytest.approx(2 * len(first), abs=1)
    marked = tmp_path / "marked.mp4"
    ffmpeg("-i", master, "-vf", "fps=25,setfield=tff", *X264, *ILACE, marked)
    assert probe(marked).interlacing == "marked"
    assert np.abs(first.astype(int) - frames(marked)).mean() < 4


@pytest.mark.parametrize(
    ("colors", "code"),
    [(Colors("bt2020nc", False, "pq", "bt2020"), 0.5807), (Colors("bt2020nc", False, "hlg", "bt2020"), 0.75)],
)
def test_light_of_a_reference_picture(colors: Colors, code: float) -> None:
    """ITU-R BT.2408: 203 nits, diffuse white, is 58 % of PQ and 75 % of HLG. What is brighter stays apart from it."""
    codes = np.array([[0] * 3, [round(code * 65535)] * 3, [65535] * 3], np.uint16)
    black, white, brightest = to_sdr(codes, colors, white_of(1000.0))[:, 1]
    assert black == 0
    assert 0.93 < white < brightest - 0.02
    assert brightest == pytest.approx(1)
