"""The machine: processes and their guard, clocks and memory, cores, limits, interpreters, facts about the host."""
