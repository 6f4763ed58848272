"""The programs that are measured: each runs in its own process, some of them in a peer's environment."""
