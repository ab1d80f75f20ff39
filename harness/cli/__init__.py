"""The command line: one file per command, and the options that several commands share. Each gathers options, has an
experiment carried out, and prints what came of it. Nothing imports it; it may import `report`, `experiments` and the
rooms below."""
