"""The figures that chatkit promises, measured against floors and peers: ``python -m benchmarks``."""
