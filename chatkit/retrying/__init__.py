"""`chatkit.retry` and `chatkit.retry_context`: the retry loop around any code of yours, with the same countdown in the cell."""
