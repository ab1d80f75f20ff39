"""The one file that goes into the server's process, kept apart so that nothing else is."""

from pathlib import Path

MODULE = "harness_entry"
ATTRIBUTE = "application"
SOURCE = Path(__file__).with_name("harness_entry.py")
