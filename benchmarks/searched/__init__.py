"""The pieces of `benchmarks/search_real.py`."""
