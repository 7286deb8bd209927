"""The state file: what is kept, what breaks it, and who may open it."""
