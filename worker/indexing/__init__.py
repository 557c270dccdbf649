"""From a video file to what is kept of it: one decode, described by the embedders while it runs. Knows no database."""
