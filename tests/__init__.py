"""Unit, contract and process tests; what they share is in conftest.py."""
