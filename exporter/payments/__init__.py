"""The core: snapshots in, facts out, totals. Pure: standard library only, no I/O, no clock, no await."""
