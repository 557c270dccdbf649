"""What stands between the network and Django: bodies, limits, media and threads. See docs/adr/0027."""
