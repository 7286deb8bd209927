"""A stand-in lnd, for the demo, the tests and the benchmarks."""
