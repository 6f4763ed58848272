"""Events to pixels: widgets in a notebook, static HTML and Markdown, a line in a terminal."""
