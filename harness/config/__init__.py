"""From texts (options, files, presets, written forms) to what is to be measured: cells in which every name is known and
every number in bounds. May be imported by `report`, `experiments` and the rooms above; it may import `measure` and the
rooms below."""
