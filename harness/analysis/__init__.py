"""From records to statements. Pure: no clock, no file, no process."""
