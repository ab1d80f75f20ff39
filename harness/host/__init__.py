"""The machine: processes, clocks, cores, limits, locks."""
