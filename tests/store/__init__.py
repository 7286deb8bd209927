"""The state file: its content, damage to it, and access to it."""
