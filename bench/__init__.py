"""Benchmarks. Every value is a ratio to a baseline measured in the same run."""
