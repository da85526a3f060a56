"""Benchmarks: each figure beside its floor, and sending beside a bare loop in the same run."""
