"""Results on disk: one folder per run, there as a whole or not at all."""
