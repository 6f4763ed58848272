"""Logs of any library to one frame of attempts: where they come from, what their lines say, and what is heard while it happens."""
