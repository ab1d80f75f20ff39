"""One file per workload. `handlers.catalogue` finds them by their file names."""
