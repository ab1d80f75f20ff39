"""Parses options, files, presets and written forms into cells that can be measured: every name known, every number in
bounds. May be imported by `report`, `experiments` and the rooms above; it may import `measure` and the
rooms below."""
