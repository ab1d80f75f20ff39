"""What a command carries out and stores, one file per kind."""
