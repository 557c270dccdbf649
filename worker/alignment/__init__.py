"""Which spans of two videos show the same footage: similarity, candidates, aligners, verdict. Pure numpy.

result = match_pair(query, reference)
result.verdict.relation, result.verdict.score, result.segments
"""

from __future__ import annotations

from worker.alignment.base import Aligner, AlignerConfig, SimilarityMatrix, aligner_names, get_aligner, register_aligner
from worker.alignment.candidates import FrameHits, vote_for_videos
from worker.alignment.decision import DecisionModel, Verdict, decide, swap_verdict
from worker.alignment.dtw import TimeWarpingAligner
from worker.alignment.dynamic_programming import DynamicProgrammingAligner
from worker.alignment.hough import HoughAligner
from worker.alignment.pairs import DEFAULT_ALIGNER, match_pair, swap_pair
from worker.alignment.similarity import background_penalty, normalise_scores, similarity_matrix, unit, with_penalties
from worker.alignment.temporal_network import TemporalNetworkAligner

__all__ = [
    "DEFAULT_ALIGNER", "Aligner", "AlignerConfig", "DecisionModel", "FrameHits", "HoughAligner", "SimilarityMatrix",
    "Verdict", "aligner_names", "background_penalty", "decide", "get_aligner", "match_pair", "normalise_scores",
    "register_aligner", "similarity_matrix", "swap_pair", "swap_verdict", "unit", "vote_for_videos", "with_penalties",
]  # fmt: skip

register_aligner("hough", HoughAligner)
register_aligner("temporal_network", TemporalNetworkAligner)
register_aligner("dynamic_programming", DynamicProgrammingAligner)
register_aligner("dtw", TimeWarpingAligner)
