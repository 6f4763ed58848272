"""Logs of any library, and attempts as they happen, as one frame of attempts."""
