"""Postgres for the workloads: embedded or external, filled with the shop where it is missing."""
