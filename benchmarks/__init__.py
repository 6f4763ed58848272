"""The benchmarks of the figures that chatkit promises, against floors and other libraries: ``python -m benchmarks``."""
