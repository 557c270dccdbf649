"""Descriptors that recognise copies of a picture, and what is done to frames before they are described."""
