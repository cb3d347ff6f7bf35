"""Benchmarks. Nothing here is asserted, because a test of times is flaky."""
