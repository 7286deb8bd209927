"""."""

SCRIPTS = {"bash": str, "zsh": str, "fish": str}
