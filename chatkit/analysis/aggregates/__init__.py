"""Frame in, frame out: what the attempts come to."""
