"""Benchmarks: what zapbridge costs, each figure against something measured beside it; see README.md."""
