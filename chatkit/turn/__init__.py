"""One turn: the prompt from the history, the request with its retries, the reply; and titles."""
