"""Interpreters and the distributions that they have installed."""
