"""One pass over a video in a sandboxed child, and the parent's end of the pipe: facts, frames, shots."""
