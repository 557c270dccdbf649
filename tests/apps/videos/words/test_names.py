"""Names of files are taken apart into what people type, and known whole."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.videos.words.folding import fold
from apps.videos.words.names import RUN, name_words, technical_words
from apps.videos.words.tokens import MAX_WORD


def parts(name: str) -> str:
    """The parts in order, folded; technical ones in brackets."""
    found = name_words(name)
    return " ".join(
        f"[{fold(part.written)}]" if part.place in found.technical else fold(part.written) for part in found.parts
    )


def wholes(name: str) -> set[str]:
    found = name_words(name)
    return {fold(whole.written) for whole in (*found.wholes, *found.runs)}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("DogPark_final-v2.S01E02.1080p.mkv", "dog park final v 2 s 01 e 02 [1080p] [mkv]"),
        ("dog-park_final.v2.mkv", "dog park final v 2 [mkv]"),
        ("GOPR0123.MP4", "gopr 0123 [mp4]"),
        ("GX010042.mp4", "gx 010042 [mp4]"),
        ("DJI_0042.MOV", "dji 0042 [mov]"),
        ("MVI_1234(1).avi", "mvi 1234 1 [avi]"),
        ("IMG_20240131_120000.mp4", "img 2024 01 31 12 00 00 [mp4]"),
        ("PXL_20240131_120000123.LS.mp4", "pxl 2024 01 31 12 00 00 123 ls [mp4]"),
        ("VID-20240131-WA0001.mp4", "vid 2024 01 31 wa 0001 [mp4]"),
        ("20240131120000.mp4", "2024 01 31 12 00 00 [mp4]"),
        ("2024-01-31 at 12.00.00.mov", "2024 01 31 at 12 00 00 [mov]"),
        ("99999999_120000.mp4", "99999999 120000 [mp4]"),  # no day
        ("20240230.mp4", "20240230 [mp4]"),  # no day either
        ("12345678901234567890.mp4", "12345678901234567890 [mp4]"),
        ("HTMLFile.mp4", "html file [mp4]"),
        ("iPhone.mov", "i phone [mov]"),
        ("ParisÉté2019.mov", "paris ete 2019 [mov]"),
        ("КошкиГуляют2.mp4", "кошки гуляют 2 [mp4]"),
        ("東京2024.mp4", "東 京 2024 [mp4]"),
        ("the_END.mp4", "the end [mp4]"),
        ("João’s boat.mp4", "joaos boat [mp4]"),
        ("[Group] Show - 05 (1080p) [A1B2C3D4].mkv", "group show 05 [1080p] a 1 b 2 c 3 d 4 [mkv]"),
        ("The.Film.2019.2160p.WEB-DL.DDP5.1.Atmos.HDR10+.H.265-GROUP.mkv",
         "the film 2019 [2160p] [web] [dl] [ddp5] [1] [atmos] [hdr10] [h] [265] [group] [mkv]"),
        ("film.blu-ray.remux.dts-hd.ma.7.1.avc.mkv", "film [blu] [ray] [remux] [dts] [hd] [ma] [7] [1] [avc] [mkv]"),
        ("clip 59.94fps 10bit 4k.mov", "clip [59] [94fps] [10bit] [4k] [mov]"),
        ("tape_720x576_pal.vob", "tape [720x576] [pal] [vob]"),
        ("webcam talk about avcado.mp4", "webcam talk about avcado [mp4]"),  # only whole words are technical
        ("holiday-hamburg.mp4", "holiday hamburg [mp4]"),  # a group follows something technical
        ("mp4.mp4", "mp 4 [mp4]"),
        (".mkv", "mkv"),
        ("no extension", "no extension"),
        ("archive.tar.gz", "archive tar gz"),
        ("C++ & C# in 10 minutes!.mp4", "c c in 10 minutes [mp4]"),
        ("ＤＯＧ＿ＰＡＲＫ.mp4", "dog park [mp4]"),  # full width
        ("dog\u00a0park\u200b.mp4", "dog park [mp4]"),
        ("🐶 dog.mp4", "🐶 dog [mp4]"),
        ("___.mp4", "[mp4]"),
        ("", ""),
    ],
)  # fmt: skip
def test_a_name_is_split_as_people_read_it(name: str, expected: str) -> None:
    assert parts(name) == expected


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("DogPark.mkv", "dogpark"),
        ("dog park.mkv", "dogpark"),
        ("dog_park.mkv", "dogparkmkv"),
        ("S01E02.mkv", "s01e02 s1e2 e2"),
        ("GOPR0123.mp4", "gopr0123 gopr123 123 gopr0123mp4"),
        ("GOPR-0123.final.v2.mp4", "gopr0123 v2 finalv2 gopr0123finalv2 gopr0123finalv2mp4"),
        ("Episode 007.mp4", "7 episode7 episode007"),
        ("IMG_20240131_120000.mp4", "20240131 31012024 202401 120000 img20240131"),
        ("31.1.2024.avi", "20240131 31012024"),
        ("2024-1-5.avi", "20240105 05012024"),
        ("12-31-2024.avi", "20241231 31122024"),
        ("A1B2C3D4E5.mkv", "a1b2c3d4e5"),
        ("Blu-Ray.mkv", "bluray"),
    ],
)
def test_runs_of_parts_are_known_as_one_word(name: str, typed: str) -> None:
    assert set(typed.split()) <= wholes(name)


def test_what_was_written_as_one_is_told_from_runs() -> None:
    found = name_words("DogPark S01E02.mkv")
    assert [whole.written for whole in found.wholes] == ["DogPark", "S01E02", "DogParkS01E02mkv", "DogParkS01E02"]
    assert "ParkS" in {run.written for run in found.runs}


def test_composed_and_decomposed_names_are_the_same() -> None:
    name = "CaféÜbung.mp4"
    assert parts(unicodedata.normalize("NFD", name)) == parts(name) == "cafe ubung [mp4]"


@pytest.mark.parametrize(
    ("query", "technical"),
    [
        ("x265 dog", {"x265"}),
        ("dog MKV", {"mkv"}),
        ("dog WEB-DL 1080p", {"web", "dl", "1080p"}),
        ("dog park", set()),
        ("h.264", {"h", "264"}),
    ],
)
def test_technical_words_of_a_query(query: str, technical: set[str]) -> None:
    assert technical_words(query) == technical


def test_a_very_long_name_stays_small() -> None:
    found = name_words("a1" * 5000)
    assert len(found.parts) <= 60 and len(found.wholes) + len(found.runs) < 1000


@given(st.text(max_size=80))
def test_any_text_is_taken_and_its_places_fit(name: str) -> None:
    found = name_words(name)
    assert [part.place for part in found.parts] == list(range(1, len(found.parts) + 1))
    assert all(1 <= whole.first <= whole.last <= len(found.parts) for whole in (*found.wholes, *found.runs))
    assert all(len(whole.written) <= MAX_WORD for whole in (*found.wholes, *found.runs))
    assert found.technical <= {part.place for part in found.parts}
    assert RUN < 6  # the index grows with it
