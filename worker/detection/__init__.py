"""Learned parts of the same-source engine: aligners trained on similarity matrices and the key-frame selector.

Importing this package makes the learned aligners known by name (``get_aligner("spd")``, ``get_aligner("vfrm")``).
PyTorch is loaded when one of them is made, not before.
"""

from __future__ import annotations

from worker.alignment import Aligner, aligner_names, register_aligner


def _spd() -> Aligner:
    from worker.detection.spd import SpdAligner

    return SpdAligner()


def _vfrm() -> Aligner:
    from worker.detection.vfrm import VfrmAligner

    return VfrmAligner()


if "spd" not in aligner_names():  # a reloaded module registers nothing twice
    register_aligner("spd", _spd)
    register_aligner("vfrm", _vfrm)
