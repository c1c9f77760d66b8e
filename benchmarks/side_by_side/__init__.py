"""What benchmarks/training.py measures, one file per concern."""
