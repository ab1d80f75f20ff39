"""A variant that is up and verified; what is injected into its processes."""
