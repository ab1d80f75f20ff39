"""An application that cannot be imported."""

raise RuntimeError("the door is locked")
