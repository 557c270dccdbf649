"""The ground truth of a recipe against going through its seconds one by one."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from benchmarks.edit_bench.recipe import MIN_TRUE_SECONDS, Piece, Recipe, Reference, map_piece, truth_of

TENTHS = st.integers(0, 200).map(lambda n: n / 10)


@given(
    start=TENTHS,
    length=st.integers(10, 100).map(lambda n: n / 10),
    speed=st.sampled_from([0.5, 1.0, 1.25, 2.0]),
    backwards=st.booleans(),
    clock=TENTHS,
    missing=TENTHS,
    library=st.tuples(TENTHS, TENTHS),
    offset=st.sampled_from([0.0, 3.0]),
)
def test_a_piece_is_mapped_as_its_moments_are(
    start: float, length: float, speed: float, backwards: bool, clock: float, missing: float,
    library: tuple[float, float], offset: float,
) -> None:  # fmt: skip
    low, high = min(library), max(library)
    piece = Piece("a", start, start + length, speed, backwards)
    until = clock + piece.seconds - missing  # another track is shorter
    assume(until > clock and high > low)
    step = 0.01
    moments = []
    for k in range(int(min(piece.seconds, until - clock) / step)):
        played = (k + 0.5) * step * speed
        shown = piece.end - played if backwards else piece.start + played
        if low <= shown < high:
            moments.append((clock + (k + 0.5) * step, shown - low + offset))
    found = map_piece(piece, clock, until, low, high, offset)
    if found is None:
        assert len(moments) * step < max(MIN_TRUE_SECONDS, MIN_TRUE_SECONDS / speed) + 0.1
        return
    (query_start, query_end), (reference_start, reference_end) = found
    for axis, (begin, end) in enumerate(((query_start, query_end), (reference_start, reference_end))):
        values = [moment[axis] for moment in moments]
        assert abs(min(values) - begin) < 0.05 and abs(max(values) - end) < 0.05


def test_both_sources_of_a_composite_count_and_fillers_do_not() -> None:
    host, inset = Piece("host", 0.0, 8.0, edit="pip_host"), Piece("small", 2.0, 7.0)
    filler = Piece("small", 0.0, 8.0, true=False)
    library = [Reference("host", "h.mp4", "host", 0.0, 6.0), Reference("small", "s.mp4", "small", 0.0, 9.0, 3.0)]
    segments = truth_of(Recipe("pip", ((host,), (inset,)), (320, 180), "inset"), library)
    assert [(s.reference, s.query, s.reference_span, s.edit) for s in segments] == [
        ("host", (0.0, 5.0), (0.0, 5.0), "pip_host"),  # the inset ends the video after 5 s
        ("small", (0.0, 5.0), (5.0, 10.0), "pip"),
    ]
    assert truth_of(Recipe("x", ((filler,),), (320, 180)), library) == []


def test_a_shared_opening_is_true_of_every_video_that_has_it() -> None:
    opening = Piece("drawn", 0.0, 3.0, generated=True, shared_asset=True, edit="intro")
    library = [Reference(n, f"{n}.mp4", n, 0.0, 5.0, 3.0, "drawn", 3.0) for n in "ab"]
    library.append(Reference("c", "c.mp4", "c", 0.0, 5.0))
    segments = truth_of(Recipe("intro", ((opening, Piece("z", 0.0, 4.0)),), (320, 180)), library)
    assert [(s.reference, s.reference_span, s.shared_asset) for s in segments] == [
        ("a", (0.0, 3.0), True),
        ("b", (0.0, 3.0), True),
    ]


def test_the_name_of_a_file_changes_with_what_is_in_it() -> None:
    recipe = Recipe("x", ((Piece("a", 0.0, 4.0),),), (320, 180))
    other = Recipe("x", ((Piece("a", 0.0, 4.1),),), (320, 180))
    assert recipe.key == Recipe("x", ((Piece("a", 0.0, 4.0),),), (320, 180)).key != other.key
