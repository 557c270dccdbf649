"""Odd subtitle files: every spoken word is kept, at a time that can be played, and nothing else is."""

from __future__ import annotations

import random
import time

import pytest

from worker.media.subtitles.cues import MAX_CUES, parse_subtitles
from worker.media.subtitles.markup import MAX_TEXT, plain_text

TWO = "1\n00:00:01,000 --> 00:00:02,000\nalpha one\n\n2\n00:00:03,000 --> 00:00:04,000\nbravo two\n"
VTT_HEAD = """WEBVTT - title
X-TIMESTAMP-MAP=MPEGTS:900000,LOCAL:00:00:00.000

STYLE
::cue { color: red }

NOTE nothing
at all

REGION
id:fred

"""
ASS_HEAD = "[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name, Fontname\nStyle: D,Arial\n\n[Events]\n"
LINE = "Dialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,"
ODD = {
    "plain": TWO,
    "no numbers": TWO.replace("1\n00", "00").replace("2\n00", "00"),
    "no blank lines": TWO.replace("\n\n", "\n"),
    "a blank line inside a cue": TWO.replace("alpha one", "alpha\n\none"),
    "two numbers, many blank lines": TWO.replace("\n\n2", "\n\n\n\n2\n2"),
    "dots for commas, one digit": TWO.replace(",", ".").replace("00:00:0", "0:0:"),
    "no hours": "1\n00:01 --> 00:02\nalpha one\n\n2\n00:03,000 --> 00:04,000\nbravo two\n",
    "spaces in times": TWO.replace(",000", ", 000").replace(":", " : "),
    "a short arrow, none of its spaces": TWO.replace(" --> ", "->"),
    "a dash for an arrow": TWO.replace("-->", "\u2013>"),
    "the end before the start": TWO.replace("00:00:02,000", "00:00:00,500"),
    "no length": TWO.replace("00:00:02,000", "00:00:01,000"),
    "overlapping": TWO.replace("00:00:02,000", "00:00:09,000"),
    "a mark inside": TWO.replace("\n\n2", "\n\n\ufeff2"),
    "CR": TWO.replace("\n", "\r"),
    "CR CR LF": TWO.replace("\n", "\r\r\n"),
    "mixed line ends": TWO.replace("one\n\n", "one\r\n\r"),
    "the number before the time": TWO.replace("1\n00", "1 00").replace("2\n00", "2 00"),
    "text behind the time": TWO.replace("2,000\nalpha", "2,000 alpha"),
    "places behind the time": TWO.replace("2,000\nalpha", "2,000  X1:100 X2:200 Y1:50 Y2:60\nalpha"),
    "no end": TWO.replace(" --> 00:00:02,000", " -->"),
    "an unreadable end": TWO.replace("00:00:02,000", "OO:0O:02,000"),
    "a cut last line": TWO.rstrip(),
    "entities and tags": TWO.replace("alpha one", "<i>alpha</i>&nbsp;one").replace(
        "bravo", '<font color="red">bravo</font>'
    ),
    "codes of ASS": TWO.replace("alpha", r"{\an8}alpha").replace("bravo", r"{\p1}m 0 0 l 100 0{\p0}bravo"),
    "vectors alone": TWO + "\n3\n00:00:05,000 --> 00:00:06,000\nm 0 0 l 100 0 100 100 0 100\n",
    "vtt": VTT_HEAD + "intro\n00:01.000 --> 00:02.000 align:start position:10%\n<v Bob>"
    "alpha <00:01.500><c.x>one</c>\n\n00:03.000 --> 00:04.000\nbravo two\n",
    "vtt without blank lines": "WEBVTT\n00:01.000 --> 00:02.000\nalpha one\n00:03.000 --> 00:04.000\nbravo two\n",
    "vtt put together from parts": "WEBVTT\n\n00:01.000 --> 00:02.000\nalpha one\n\n"
    "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:1,LOCAL:0\n\n00:03.000 --> 00:04.000\nbravo two\n",
    "ruby": "WEBVTT\n\n00:01.000 --> 00:02.000\nal<ruby>pha<rt>reading</rt></ruby> one\n\n"
    "00:03.000 --> 00:04.000\nbravo two",
    "ass": ASS_HEAD + "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
    + LINE + r"{\an8}{a note}al{\k10}{\c&HFF&}pha one" + "\nComment: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,secret\n"
    + LINE + r"{\an8}{another layer}alpha one" + "\n" + LINE + r"{\pos(1,2)\p1}m 0 0 l 100 0 100 100{\p0}" + "\n"
    + LINE.replace("1.00,0:00:02", "3.00,0:00:04") + r"{\p2}m 1 1 b 2 2 3 3{\p0}bravo two" + "\n",
    "ass with another order": ASS_HEAD + "Format: Start, Text, End\nDialogue: 0:00:01.00,alpha one,0:00:02.00\n"
    "Dialogue: 0:00:03.00,bravo two,0:00:04.00\n",
    "ass without its head": LINE + "alpha one\n" + LINE.replace("1.00,0:00:02", "3.00,0:00:04") + "bravo two",
    "ssa": "[Script Info]\n[V4 Styles]\n[Events]\nDialogue: Marked=0,0:00:01.00,0:00:02.00,D,,0,0,0,,alpha one\n"
    "Dialogue: Marked=0,0:00:03.00,0:00:04.00,D,,0,0,0,,bravo two\n",
    "ass drawn frame by frame": "".join(
        f"Dialogue: 0,0:00:01.{i}0,0:00:01.{i + 1}0,D,,0,0,0,,{{\\blur{i}}}alpha one\n" for i in range(9)
    ) + LINE.replace("1.00,0:00:02", "3.00,0:00:04") + "bravo two",
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_every_word_of_an_odd_file_is_kept_at_its_time(name: str) -> None:
    cues = parse_subtitles(ODD[name])
    assert [" ".join(cue.text.split()) for cue in cues] == ["alpha one", "bravo two"]
    assert [cue.start for cue in cues] == [1.0, 3.0]
    assert all(cue.start < cue.end <= 9.0 for cue in cues)


def test_a_negative_time_is_the_beginning_and_an_end_alone_is_enough() -> None:
    text = "-00:00:01,000 --> 00:00:02,000\nearly\n\n??? --> 00:00:09,000\nno start\n\nno time at all --> here\n"
    first, second = parse_subtitles(text)
    assert (first.start, first.end, first.text) == (0.0, 2.0, "early")
    assert 2.0 <= second.start < second.end == 9.0
    assert second.text == "no start\nno time at all --> here"


def test_numbers_and_signs_that_are_words_stay() -> None:
    text = "1\n00:00:01,000 --> 00:00:02,000\n42\n\n2\n00:00:03,000 --> 00:00:04,000\nI <3 you {laughs} a > b\n1984"
    assert [cue.text for cue in parse_subtitles(text)] == ["42", "I <3 you {laughs} a > b\n1984"]


def test_the_same_words_again_later_are_another_cue() -> None:
    text = TWO + "\n3\n00:00:08,000 --> 00:00:09,000\nalpha one\n"
    assert [cue.text for cue in parse_subtitles(text)] == ["alpha one", "bravo two", "alpha one"]


def test_times_are_moved_to_the_clock_of_the_player() -> None:
    assert [(cue.start, cue.end) for cue in parse_subtitles(TWO, clock_zero=1.5)] == [(0.0, 0.5), (1.5, 2.5)]


def test_lines_stay_lines_and_joiners_stay_in_their_words() -> None:
    persian = "\u0645\u06cc\u200c\u0631\u0648\u0645"
    assert plain_text(f"- Where?\r\n- Here. {persian}\u200f \u00adsoft") == f"- Where?\n- Here. {persian} soft"
    assert plain_text(r"one\Ntwo<br>three\hfour \new", is_ass=False) == "one\ntwo\nthree four \\new"
    assert plain_text("Stop\x00\x1b[31m") == "Stop [31m"


def test_what_one_file_may_hold_is_bounded() -> None:
    assert len(plain_text("word " * 10_000)) <= MAX_TEXT
    many = "".join(f"00:{i // 60 % 60:02d}:{i % 60:02d},0 --> 00:59:59,0\nword {i}\n\n" for i in range(MAX_CUES + 500))
    assert len(parse_subtitles(many)) == MAX_CUES


@pytest.mark.parametrize(
    "piece", ["{", "{\\p1}", "<", "<i", "<b <", "<rt>", "&", "m 0 0 l ", "-->", "00:", "00:00:01,000 -->", "1\n", "\r",
              "Dialogue:", "Dialogue: 0,0:00:01.00,", "[Events]\n", " ", "WEBVTT\n\nNOTE\n", "{\\", ",", "\\N"],
)  # fmt: skip
def test_repeated_pieces_take_linear_time(piece: str) -> None:
    """A pattern that goes back over its text would need minutes for these."""
    for text in (piece * (400_000 // len(piece)), TWO + piece * (400_000 // len(piece)) + "\n" + TWO):
        before = time.process_time()
        parse_subtitles(text)
        assert time.process_time() - before < 20  # seconds of this process; they take less than 0.5


def test_no_text_makes_it_fail() -> None:
    draw = random.Random(7)
    pieces = [*"0123456789:,.->{}\\<>&;\n\r\t [](),mlpNk", "-->", "00:00:01,000", "Dialogue:", "[Events]", "WEBVTT",
              "{\\p1}", "Format: Text", "<rt>", "é", "\ufeff", "\u2028", "٣", "\ud800"]  # fmt: skip
    for _ in range(3000):
        for cue in parse_subtitles("".join(draw.choices(pieces, k=draw.randint(1, 120)))):
            assert 0 <= cue.start < cue.end and cue.text.strip()
