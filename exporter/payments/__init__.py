"""The understanding: snapshots in, facts out, totals. Pure: the standard library only, no I/O, no clock, no await."""
