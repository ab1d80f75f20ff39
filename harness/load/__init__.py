"""Load generators: how k6 is found, run, and what its summary says."""
