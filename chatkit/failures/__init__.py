"""What went wrong, from any exception or response: its kind, whether to retry it, how long to wait, and redacted details."""
