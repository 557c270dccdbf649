"""Edited copies of any folder of clips with known ground truth, and copy detectors measured on them.

python -m benchmarks.edit_bench make CLIPS_FOLDER OUT
python -m benchmarks.edit_bench run OUT
"""
