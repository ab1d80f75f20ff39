"""Workloads by which the harness is examined."""
