"""Interpreters and what is installed in them."""
