"""To which video a subtitle file belongs, and its language."""

from __future__ import annotations

import unicodedata

import pytest

from apps.videos.languages import language_code, language_detected, language_name, language_written
from apps.videos.subtitle_names import owners, videos_by_stem

VIDEOS = videos_by_stem(
    ["film.mp4", "film.extended.mp4", "Show.S01E02.mkv", "clip.avi", "clip.mkv", "João’s boat.mp4", "a.mp4"]
)


@pytest.mark.parametrize(
    ("name", "video", "language"),
    [
        ("film.srt", "film.mp4", ""), ("film.de.srt", "film.mp4", "de"), ("Film.EN.SRT", "film.mp4", "en"),
        ("film.deu.ass", "film.mp4", "de"), ("film.German.srt", "film.mp4", "de"),
        ("film.Deutsch.ssa", "film.mp4", "de"),
        ("film.en.forced.srt", "film.mp4", "en"), ("film.forced.en.srt", "film.mp4", "en"),
        ("film.pt-BR.sdh.vtt", "film.mp4", "pt-BR"), ("film.pt_br.srt", "film.mp4", "pt-BR"),
        ("film.zh-Hans.srt", "film.mp4", "zh-Hans"), ("film.mp4.srt", "film.mp4", ""),
        ("film.mp4.fr.srt", "film.mp4", "fr"),
        ("film.en.hi.srt", "film.mp4", "en"), ("film.hi.srt", "film.mp4", "hi"), ("film_en.srt", "film.mp4", "en"),
        ("film [en].srt", "film.mp4", "en"), ("film - English (2).srt", "film.mp4", "en"),
        ("film.commentary.srt", "film.mp4", ""), ("film.SomeTeam.ru.srt", "film.mp4", "ru"),
        ("film.extended.srt", "film.extended.mp4", ""), ("film.extended.fr.srt", "film.extended.mp4", "fr"),
        ("show.s01e02.eng.srt", "Show.S01E02.mkv", "en"), ("clip.mkv.srt", "clip.mkv", ""),
        (unicodedata.normalize("NFD", "João’s boat.fr.srt"), "João’s boat.mp4", "fr"),
    ],
)  # fmt: skip
def test_a_subtitle_file_belongs_to_the_video_of_its_name(name: str, video: str, language: str) -> None:
    assert owners(name, VIDEOS) == ([video], language)


@pytest.mark.parametrize(
    "name", ["film2.srt", "filmed.srt", "film 2.srt", "film.part2.srt", "film.S01E03.srt", "Show.S01E03.srt", "a b.srt",
             "film and the sea.srt", "other.srt", ".srt"],
)  # fmt: skip
def test_a_name_that_only_begins_alike_is_of_another_video(name: str) -> None:
    assert owners(name, VIDEOS) == ([], "")


def test_two_videos_of_one_name_share_their_subtitles() -> None:
    assert owners("clip.srt", VIDEOS) == (["clip.avi", "clip.mkv"], "")


def test_languages_have_one_short_code_and_their_own_name() -> None:
    tags = ["ger", "deu", "DE", "pt_BR", "chi", "zh-hans", "iw", "nob", "yue", "und", "", "xx", "no such tag"]
    assert [language_code(tag) for tag in tags] == [
        "de",
        "de",
        "de",
        "pt-BR",
        "zh",
        "zh-Hans",
        "he",
        "nb",
        "yue",
        *[""] * 4,
    ]
    words = ["French", "français", "jpn", "Brazilian Portuguese", "chs", "cut", "dvd", "the", "web"]
    assert [language_written(word) for word in words] == ["fr", "fr", "ja", "pt-BR", "zh-Hans", *[""] * 4]
    assert [language_name(code) for code in ("de", "ja", "zh-Hant", "en", "")] == [
        "Deutsch",
        "日本語",
        "繁體中文",
        "English",
        "",
    ]


def test_the_language_of_a_text_is_detected_where_it_is_long_enough() -> None:
    assert language_detected("Wir fahren morgen früh los, und niemand hält uns auf, nicht einmal der Regen.") == "de"
    assert language_detected("We leave tomorrow morning, and nobody will stop us, not even the rain.") == "en"
    assert language_detected("昨日の夜はどこにいたの。何と言えばいいのか分からない。") == "ja"
    assert language_detected("IMG 2034") == language_detected("") == ""
