"""Wire formats of model providers, each as two pure halves around one call over HTTP."""
