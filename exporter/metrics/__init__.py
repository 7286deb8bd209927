"""The exposition: the only package with metric names, labels and HTTP."""
