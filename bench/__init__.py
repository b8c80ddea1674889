"""Benchmarks: what the promised figures are on this machine, each beside a reference."""
