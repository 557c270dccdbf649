"""Semantic encoders, which put frames and texts into one space: to load, to fetch, to export."""
