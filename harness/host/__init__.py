"""The machine: processes and the guard that ends them, clocks, cores and who gets which, limits, the lock, signals, the
log. May be imported by `environments` and the rooms above; it may import `model` and the rooms below."""
