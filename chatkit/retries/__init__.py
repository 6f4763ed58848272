"""How long to wait, when to give up, the loop that does it, and the log of every attempt."""
