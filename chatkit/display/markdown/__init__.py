"""Markdown from a model, which is untrusted, as safe HTML and as safe Markdown; complete or while it streams."""
