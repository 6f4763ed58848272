"""Programs that are measured from outside: each runs in a process of its own, some in the peers' environment."""
