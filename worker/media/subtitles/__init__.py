"""Text of subtitles, from bytes to cues. Pure: no file is opened and no program is started here."""
