"""Cues from the text of a subtitle file: SubRip (.srt), WebVTT and ASS/SSA, told apart by their content.

What is damaged is kept as far as it can be read: a time stands where an arrow is between two times, whatever is missing
around it. pysubs2 read 11 of 22 odd files completely; tests/worker/media/subtitles has them, and all are read here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from worker.media.subtitles.markup import plain_text
from worker.types import SubtitleCue

MAX_CUES = 20_000  # of one file
MAX_LINE = 20_000  # characters that are looked at
MAX_SECONDS = 100 * 3600.0
LENGTH_SECONDS = (1.0, 7.0)  # of a cue without a usable end
SECONDS_A_LETTER = 0.06
SAME_CUE_SECONDS = 0.1  # signs are drawn frame by frame: the same text this soon after its end is one cue
NUMBERS_SKIPPED = 10  # a line with this much more than the last number is the number of a cue

_TIME = r"(-\s?)?(?:(\d{1,3})\s?[:：]\s?)?(\d{1,3})\s?[:：]\s?(\d{1,2})(?:\s?[.,:;]\s?(\d{1,9}))?"
_ARROW = r"\s{0,9}(?:-{1,3}\s?>|[–—]>|=>|→)\s{0,9}"
_BOTH_TIMES = re.compile(rf"[^\w-]{{0,4}}(?:\d{{1,6}}[ \t]{{1,4}})?{_TIME}{_ARROW}{_TIME}(.*)", re.DOTALL)
_ONE_TIME = re.compile(rf"[^\w-]{{0,4}}(?:{_TIME})?[^\s>]{{0,20}}\s?-->\s?[^\s\d]{{0,20}}(?:{_TIME})?(.*)", re.DOTALL)
_TORN_TIME = re.compile(r"^\s{0,9}\S{0,9}[\d:]\S{0,20}")
_PLACING = re.compile(r"(?:vertical|line|position|size|align|region|[XY][12]):\S*", re.IGNORECASE)
_LINE_END = re.compile("\r{1,3}\n|\r|\n|\x0b|\x0c|\x85|\u2028|\u2029")
_NUMBER = re.compile(r"\d{1,6}")
_ASS = re.compile(r"^\s{0,9}(?:\[(?:script info|events|v4\+? styles)\]|dialogue\s?:)", re.IGNORECASE | re.MULTILINE)
_KEY = re.compile(r"\s{0,9}([A-Za-z][A-Za-z ]{0,30}?)\s?:(.*)", re.DOTALL)
_FORMATS_OF_ASS = {
    False: "marked,start,end,style,name,marginl,marginr,marginv,effect,text",
    True: "layer,start,end,style,name,marginl,marginr,marginv,effect,text",
}


@dataclass
class _Block:
    """A cue as written: times in seconds, None where there is none."""

    start: float | None
    end: float | None
    lines: list[str] = field(default_factory=list)


def parse_subtitles(text: str, *, clock_zero: float = 0.0) -> list[SubtitleCue]:
    """Cues with words, by time, ``clock_zero`` seconds earlier than written. Text without any time is left out."""
    text = text.replace("\ufeff", "").replace("\x00", "")
    is_ass = bool(_ASS.search(text))
    lines = [line[:MAX_LINE] for line in _LINE_END.split(text)]
    blocks = _ass_blocks(lines) if is_ass else _timed_blocks(lines)
    return _cues(blocks, is_ass=is_ass, clock_zero=clock_zero)[:MAX_CUES]


def _timed_blocks(lines: list[str]) -> Iterator[_Block]:
    """SubRip and WebVTT."""
    is_vtt = any(line.startswith("WEBVTT") for line in lines[:5])
    block, number, skips = _Block(None, None), None, False
    after_blank = True
    for line in lines:
        times = _times(line) if ">" in line or "→" in line else None
        if times is not None:
            number = _take_label(block.lines, number, is_vtt=is_vtt)
            yield block
            start, end, rest = times
            words = " ".join(word for word in rest.split() if not _PLACING.fullmatch(word))
            block, skips = _Block(start, end, [words] if words else []), False
        elif is_vtt and after_blank and _is_no_cue(line):
            skips = True
        elif not skips:
            block.lines.append(line)
        after_blank = not line.strip()
        skips = skips and not after_blank
    yield block


def _times(line: str) -> tuple[float | None, float | None, str] | None:
    """(start, end, what follows them) of a line that has a time; None for a line of text."""
    found = _BOTH_TIMES.match(line)
    if found is None and "-->" in line:
        found = _ONE_TIME.match(line)
    if found is None:
        return None
    start, end = _seconds(*found.groups()[:5]), _seconds(*found.groups()[5:10])
    if start is None and end is None:
        return None
    rest = found.group(11)
    return start, end, rest if start is not None and end is not None else _TORN_TIME.sub("", rest)


def _seconds(minus: str | None, hours: str | None, minutes: str | None, seconds: str | None,
             fraction: str | None) -> float | None:  # fmt: skip
    if minutes is None or seconds is None:
        return None
    time = int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + (float(f"0.{fraction}") if fraction else 0.0)
    return -time if minus else time


def _is_no_cue(line: str) -> bool:
    return line.startswith("WEBVTT") or line.split(maxsplit=1)[:1] in (["NOTE"], ["STYLE"], ["REGION"])


def _take_label(lines: list[str], number: int | None, *, is_vtt: bool) -> int | None:
    """Remove the number or name of the next cue from the lines before its time. Returns the number that was last."""
    if not lines or not lines[-1].strip():
        return number
    label, follows_blank = lines[-1].strip(), len(lines) == 1 or not lines[-2].strip()
    if _NUMBER.fullmatch(label):
        value = int(label)
        follows_number = number is not None and number < value <= number + NUMBERS_SKIPPED
        if follows_number or (follows_blank and len(lines) > 1) or number is None:
            while lines and lines[-1].strip() == label:  # some tools write it twice
                lines.pop()
            return value
    elif is_vtt and follows_blank and len(lines) > 1:
        lines.pop()
    return number


def _ass_blocks(lines: list[str]) -> Iterator[_Block]:
    names: list[str] = []
    block: _Block | None = None
    is_plus = in_events = True
    for line in lines:
        section = line.strip().lower()
        if section.startswith("[") and section.endswith("]"):
            is_plus = is_plus and section != "[v4 styles]"
            in_events = section == "[events]"
            continue
        key, value = _key_and_value(line)
        if key == "dialogue":
            if block is not None:
                yield block
            block = _dialogue(value, names or _FORMATS_OF_ASS[is_plus].split(","))
        elif key == "format" and in_events:
            names = [name.strip().lower() for name in value.split(",")]
        elif key in ("comment", "picture", "sound", "movie", "command") and in_events:
            if block is not None:
                yield block
            block = None
        elif in_events and block is not None and line.strip() and not line.startswith(";"):
            block.lines.append(line)  # a line that was broken in two
    if block is not None:
        yield block


def _key_and_value(line: str) -> tuple[str, str]:
    found = _KEY.match(line)
    return (found.group(1).lower(), found.group(2)) if found else ("", "")


def _dialogue(value: str, names: list[str]) -> _Block | None:
    """The text takes what commas are left over, wherever the format puts it."""
    if "text" not in names or "start" not in names:
        names = _FORMATS_OF_ASS[True].split(",")
    place = names.index("text")
    before = value.split(",", place)
    if len(before) <= place:
        return None
    rest = before.pop()
    after = rest.rsplit(",", len(names) - place - 1)
    values = dict(zip(names, [*before, *after], strict=False))
    start, end = (_time_of(values.get(name, "")) for name in ("start", "end"))
    return None if start is None and end is None else _Block(start, end, [values.get("text", "")])


def _time_of(text: str) -> float | None:
    found = re.match(rf"\s{{0,9}}{_TIME}", text)
    return _seconds(*found.groups()) if found else None


def _cues(blocks: Iterator[_Block], *, is_ass: bool, clock_zero: float) -> list[SubtitleCue]:
    """By time; the same text at the same time once, as the layers of ASS have it."""
    timed = []
    last_end = 0.0
    for block in blocks:
        words = plain_text("\n".join(block.lines), is_ass=is_ass)
        if not words or (block.start is None and block.end is None):
            continue
        start = block.start if block.start is not None else max(last_end, (block.end or 0.0) - _reading_seconds(words))
        end = block.end if block.end is not None else start
        last_end = max(start, end)
        if start < MAX_SECONDS:
            timed.append((max(0.0, start - clock_zero), end - clock_zero, words))
    timed.sort(key=lambda cue: cue[0])
    cues: list[SubtitleCue] = []
    places: dict[str, int] = {}  # text -> its last cue
    for index, (start, end, words) in enumerate(timed):
        if end <= start:
            later = next((one[0] for one in timed[index + 1 : index + 9] if one[0] > start), start + LENGTH_SECONDS[1])
            end = min(start + _reading_seconds(words), max(later, start + LENGTH_SECONDS[0]))
        place = places.get(words)
        if place is not None and start <= cues[place].end + SAME_CUE_SECONDS:
            cues[place] = replace(cues[place], end=max(end, cues[place].end))
        else:
            places[words] = len(cues)
            cues.append(SubtitleCue(start, min(end, MAX_SECONDS), words))
    return cues


def _reading_seconds(words: str) -> float:
    least, most = LENGTH_SECONDS
    return min(most, max(least, SECONDS_A_LETTER * len(words)))
