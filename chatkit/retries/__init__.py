"""Is it worth another try, how long to wait, the loop that does it, and the record of every attempt."""
