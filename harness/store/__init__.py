"""Results on disk: one folder per run, there as a whole or not at all; records as files and back, without what must not
be stored. May be imported by `report`, `experiments` and the rooms above; it may import `measure` and the rooms
below."""
