"""Markdown of a model, which nobody trusts, as safe HTML and safe Markdown, whole or as it streams."""
