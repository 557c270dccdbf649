"""Damaged videos by the thousand, through the same calls as real ones.

``python -m tests.fuzz 10000`` is the long form (``make fuzz N=10000``), ``test_fuzz.py`` the short one.
"""
