"""What a reader sees: progress while it runs, results on the terminal."""
