"""Parses options, files, presets and written forms, and resolves them into cells that can be measured."""
