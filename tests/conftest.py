"""What all tests share: the fixtures of the real network, started only when a test asks for them."""

pytest_plugins = ["tests.network.fixtures"]
