"""."""

page = str
