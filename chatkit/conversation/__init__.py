"""One chat, from the prompt to the committed reply: turns, events, titles, replies, and the `Chat` that a notebook holds."""
