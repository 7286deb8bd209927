"""The exposition: the only package with metric names and labels."""
