"""The telling: the only room that knows metric names, labels and HTTP."""
