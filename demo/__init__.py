"""A library of short clips that code renders, so that a machine without any video has something to search."""
