"""Files made from a video: pictures, a copy that browsers play, the cues of its subtitles."""
