"""Interpreters and what is installed in them. May be imported by `applications`, `database` and the rooms above; it may
import `servers`, `handlers`, `host`, `stats` and the rooms below."""
