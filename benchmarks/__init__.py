"""Benchmarks: one question a file, gated by equality, arms interleaved, medians reported."""
