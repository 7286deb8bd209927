"""A simulated lnd, for the demo, the tests and the benchmarks."""
