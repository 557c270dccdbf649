"""Decides whether what was decoded is the whole video.

The rule: a video is accepted when at least 90 % of the promised length was decoded and at most one packet in
ten was broken. So a recording with a few damaged packets or a slightly torn tail stays usable, and
a file that lost more than a tenth is refused, because it would be searched and compared as if it were whole.
A file that promises nothing (a transport stream, an unfinished live recording) is judged by its packets alone.
"""

from __future__ import annotations

from worker.media.errors import MediaError

MIN_COVERAGE = 0.9
MAX_BROKEN = 0.1
FEW_BROKEN = 5  # never counted against a short clip
SLACK_SECONDS = 1.0  # headers round, and count sound that outlasts the picture
WILD_PROMISE = 10.0  # times the content: no torn file loses so much and stays readable


def check_complete(*, promised: float, decoded: float, data_end: float, broken: int, packets: int) -> None:
    """Raises MediaError 'header_mismatch', 'truncated' or 'damaged'.

    promised: seconds, 0.0 for none. decoded: end of the last decoded frame. data_end: end of the last packet of
    any track: where only the file as a whole promises a length, sound may rightly outlast the picture.
    """
    covered = max(decoded, data_end)
    if promised > 0 and covered + SLACK_SECONDS < promised and covered < MIN_COVERAGE * promised:
        detail = f"{covered:.1f} s of {promised:.1f} s"
        raise MediaError("header_mismatch" if promised > WILD_PROMISE * covered else "truncated", detail=detail)
    if broken > FEW_BROKEN and broken > MAX_BROKEN * packets:
        raise MediaError("damaged", detail=f"{broken} of {packets} packets are broken")
