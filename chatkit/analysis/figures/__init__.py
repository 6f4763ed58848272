"""Frame to axes."""
