"""A variant that is up: started in a folder of its own, every worker ready, its answer verified; and how its workers'
facts and counters are read. May be imported by `measure` and the rooms above; it may import `applications`, `database`
and the rooms below."""
