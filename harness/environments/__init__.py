"""Interpreters and the distributions that they have installed. May be imported by `applications`, `database` and the
rooms above; it may import `servers`, `handlers`, `host`, `stats` and the rooms below."""
