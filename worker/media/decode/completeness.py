"""Decides whether what was decoded is the whole video.

The rule: a video is accepted when at least 90 % of the promised length was decoded, at most 10 % of it is missing in
the middle, and at most one packet in ten was broken. So a film that lost some minutes or its last ones stays usable
(its page says so), and a file that lost more than a tenth is refused, because it would be searched and compared as
if it were whole.
A file that promises nothing (a transport stream, an unfinished live recording) is judged by its packets alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from worker.media.errors import MediaError

MIN_COVERAGE = 0.9
MAX_BROKEN = 0.1
FEW_BROKEN = 5  # never counted against a short clip
SLACK_SECONDS = 1.0  # headers round, and count sound that outlasts the picture
WILD_PROMISE = 10.0  # times the content: no torn file loses so much and stays readable


@dataclass(frozen=True, slots=True)
class Promise:
    """What the header says: where the pictures begin and end, in seconds on the file's own clock."""

    start: float
    end: float  # 0.0: it says nothing

    @property
    def length(self) -> float:
        return max(0.0, self.end - self.start)


@dataclass(frozen=True, slots=True)
class Decoded:
    """What came out, in seconds on the file's own clock."""

    data_start: float  # of the first packet
    start: float  # of the first frame
    end: float  # of the last frame
    data_end: float  # of the last packet of any track
    skipped: float  # seconds that are missing in the middle
    packets: int
    broken: int


def check_complete(promise: Promise, decoded: Decoded, *, cut_off: bool | None) -> None:
    """Raises MediaError 'header_mismatch', 'truncated' or 'damaged'. cut_off: what the structure of the file says.

    Where only the file as a whole promises a length, sound may rightly outlast the picture.
    """
    broken, packets = decoded.broken, decoded.packets
    if broken > FEW_BROKEN and broken > MAX_BROKEN * packets:
        raise MediaError("damaged", detail=f"{broken} of {packets} packets are broken")
    covered = max(decoded.end, decoded.data_end) - promise.start
    detail = f"{covered:.1f} s of {promise.length:.1f} s"
    if covered + SLACK_SECONDS < promise.length and covered < MIN_COVERAGE * promise.length:
        if decoded.skipped > SLACK_SECONDS:
            raise MediaError("damaged", detail=f"{detail}; {decoded.skipped:.1f} s are missing in the middle")
        if promise.length > WILD_PROMISE * covered:
            raise MediaError("header_mismatch", detail=detail)
        raise MediaError("damaged" if cut_off is False else "truncated", detail=detail)
    missing = f"{decoded.skipped:.1f} s of {promise.length:.1f} s are missing in the middle"
    if decoded.skipped > SLACK_SECONDS and decoded.skipped > (1 - MIN_COVERAGE) * (decoded.end - decoded.start):
        raise MediaError("damaged", detail=missing)
    lost = decoded.start - decoded.data_start  # packets were there, but no frame came out of them
    if lost > SLACK_SECONDS and lost > (1 - MIN_COVERAGE) * promise.length > 0:
        raise MediaError("damaged", detail=f"the first {lost:.1f} s of {promise.length:.1f} s cannot be decoded")
