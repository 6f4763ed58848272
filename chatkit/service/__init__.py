"""A chat that runs: who listens, what is stored, one turn at a time."""
