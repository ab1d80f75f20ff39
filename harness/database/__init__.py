"""Postgres for the workloads: embedded or external, filled with the shop where it is missing. May be imported by
`deploy`, `load` and the rooms above; it may import `environments` and the rooms below."""
