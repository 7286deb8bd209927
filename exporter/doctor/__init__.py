"""The command `check --connect`: asks each node whether the exporter could follow it, and looks at this machine."""
