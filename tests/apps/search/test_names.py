"""Names of files as people type them: in parts, as one word, whole, and beside technical words."""

from __future__ import annotations

import pytest

from apps.search.query import parse_query
from apps.search.words import text_hits, videos_with
from apps.videos.editing import text_segments_write
from apps.videos.models import Video
from apps.videos.paths import readable_name
from apps.videos.registration import title_from
from tests.apps.embeddings.library import make_video

pytestmark = pytest.mark.django_db

# Name -> what people type for it. Besides, each name is typed whole, and without its extension.
NAMES = {
    "GOPR-0123.final.v2.mp4": ["gopr-0123", "gopr0123", "gopr 0123", "gopr123", "gopr 123", "0123 v2"],
    "dog.park.2019.1080p.mp4": ["dog park 2019", "dogpark", "park 1080p", "dog-park", '"dog park"'],
    "Cafe\u0301 U\u0308bung.mp4": ["cafe ubung", "café", "übung", "uebung", "CAFE UBUNG"],
    "João’s boat.mp4": ["joao's", "joaos", "joão boat", "boat"],
    "IMG_20230714_183055.MP4": ["2023-07-14", "20230714", "14.07.2023", "img 20230714", "2023-07", "183055"],
    "PXL_20240131_120000123.LS.mp4": ["2024-01-31", "pxl 2024"],
    "VID-20240201-WA0007.mp4": ["wa0007", "wa7", "2024 02 01", "vid 20240201"],
    "WhatsApp Video 2024-03-05 at 12.00.00.mp4": ["whatsapp", "whats app", "2024-03-05", "5.03.2024"],
    "31.12.2019 Silvester.avi": ["2019-12-31", "silvester", "31.12.2019", "12 2019"],
    "BirthdayParty_AnnaMaria.mov": ["birthday party", "birthdayparty", "anna maria", "annamaria", "party anna"],
    "HTMLEditorDemo.mkv": ["html editor", "editor demo", "htmleditor"],
    "Show.S01E02.The.Return.720p.WEB-DL.x264-GROUP.mkv": ["s01e02", "s1e2", "show s01", "the return", "e02 return"],
    "Show.S02E01.720p.WEB-DL.x264-GROUP.mkv": ["s02e01", "s2e1", "show s02e01"],
    "[Fans] Anime - 05 (1080p) [A1B2C3D4].mkv": ["anime 05", "anime 5", "a1b2c3d4", "fans anime"],
    "Kochen mit Oma #12 (Äpfel & Birnen).webm": ["kochen oma", "oma 12", "apfel", "aepfel birnen"],
    "2001 - A Space Odyssey (1968).mkv": ["2001 space odyssey", "odyssey 1968", "spaceodyssey"],
    "DJI_0042.MOV": ["dji 42", "dji0042", "dji_0042", "dji 0042"],
    "MVI_7781(1).avi": ["mvi 7781", "mvi7781", "7781"],
    "GX010099.MP4": ["gx010099", "gx 010099", "gx10099"],
    "C0017.MP4": ["c0017", "c17", "c 0017"],
    "00042.MTS": ["00042", "42.mts"],
    "tape07_side-B.vob": ["tape 7", "tape07", "side b", "sideb", "tape7"],
    "Straße_nach_Köln-2.mp4": ["strasse koln", "straße", "koeln 2", "strassenach"],
    "КошкиНаКрыше_2021.mp4": ["кошки", "на крыше", "кошкинакрыше", "кошки 2021"],
    "Ёлка-2020.avi": ["елка", "ёлка 2020"],
    "Η_Γάτα_μου.mp4": ["γατα", "γάτα μου"],
    "東京タワー_2022.mp4": ["東京", "タワー", "東京タワー", "東京 2022"],
    "香港夜景(高清).mp4": ["夜景", "香港", "香港夜景"],
    "서울_여행-3.mp4": ["서울", "여행", "서울 여행"],
    "رحلة_إلى_مكة.mp4": ["رحلة", "مكة"],
    "טיול.לאילת.mp4": ["טיול", "לאילת"],
    "สงกรานต์2565.mp4": ["สงกรานต์"],
    "🐶_Bello_läuft.mp4": ["bello", "🐶", "lauft", "bello läuft"],
    "ＦＵＬＬ＿ＷＩＤＴＨ.mp4": ["full width", "fullwidth"],
    "L'avion.rouge.mkv": ["avion rouge", "l'avion", "lavion"],
    "rock'n'roll-live@1999.mpg": ["rocknroll", "live 1999", "rock n roll"],
    "t-shirt.tutorial.mp4": ["tshirt", "t-shirt", "shirt tutorial"],
    "1,000 steps.mp4": ["1000 steps", "1,000"],
    "C++ basics; part 3.mp4": ["basics part 3", "part3"],
    "a_b_c_d_e_f_g.mp4": ["abcdefg", "d e f"],
    "final_FINAL_really-final(3).mp4": ["final final", "really final", "reallyfinal"],
    "x" * 200 + ".mp4": [],
    "vacation\x1b[31m.mp4": ["vacation"],
    "caf\udce9_latin.mp4": ["cafe latin", "café"],
}


@pytest.fixture
def library() -> dict[str, Video]:
    """A video for each of NAMES, as an import makes it."""
    return {name: named(name) for name in NAMES}


def named(name: str, title: str = "") -> Video:
    readable = readable_name(name)
    video = make_video(title or title_from(None, readable))
    Video.objects.filter(id=video.id).update(original_name=readable[:300])
    video.refresh_from_db()
    text_segments_write(video)
    return video


def hits(query: str) -> list[Video]:
    """Best first, by words alone."""
    parsed = parse_query(query)
    allowed = videos_with(parsed.phrases, all_of=True) if parsed.phrases else None
    found = text_hits(text=parsed.text, phrases=parsed.phrases, video_ids=allowed, limit=100)
    ids = list(dict.fromkeys(hit.video_id for hit in found))
    videos = Video.objects.in_bulk(ids)
    return [videos[video_id] for video_id in ids]


def test_every_name_is_found_by_what_people_type_and_whole(library: dict[str, Video]) -> None:
    lost = [(name, query) for name, queries in NAMES.items() for query in queries if library[name] not in hits(query)]
    assert lost == []


def test_a_name_that_is_typed_whole_comes_first(library: dict[str, Video]) -> None:
    not_first = []
    for name, video in library.items():
        whole = readable_name(name)
        for query in (whole, whole.lower(), whole.rpartition(".")[0], f'"{whole}"'):
            found = hits(query)
            if not found or found[0] != video:
                not_first.append((query, [other.original_name for other in found[:2]]))
    assert not_first == []


@pytest.mark.parametrize("query", ["parkfinal", "2019 gopr", "s01e03", "show s02e02", "2023-07-15", "dji 43", "koln 3"])
def test_what_no_name_says_is_not_found(library: dict[str, Video], query: str) -> None:
    assert hits(query) == []


def test_technical_words_help_and_are_not_needed() -> None:
    for number in range(30):
        named(f"holiday.{number}.1080p.x265.mkv")
    plain, encoded = named("dog on grass.mp4"), named("dog.on.grass.2019.x265.mkv")
    assert set(hits("dog")) == set(hits("dog mp4")) == {plain, encoded}
    assert (hits("x265 dog")[0], hits("dog mp4")[0]) == (encoded, plain)
    assert set(hits("x265 dog")) == set(hits("1080p hevc dog")) == {plain, encoded}
    assert len(hits("x265")) == 31 and len(hits("1080p x265")) == 30


def test_a_title_that_a_person_gave_leaves_the_name_findable() -> None:
    video = named("GOPR0123.mp4", title="Anna's birthday")
    parsed = parse_query("gopr0123")
    (hit,) = text_hits(text=parsed.text, phrases=(), video_ids=None, limit=5)
    assert (hit.video_id, hit.matched) == (video.id, ("name",))
    assert hits("birthday") == [video]


def test_a_title_from_the_name_is_found_once_as_a_title() -> None:
    named("dog park.mp4")
    (hit,) = text_hits(text="dog park", phrases=(), video_ids=None, limit=5)
    assert hit.matched == ("title",)


def test_camel_case_splits_names_only() -> None:
    named("iPhone.mp4")
    assert hits("phone") and not hits("android")
