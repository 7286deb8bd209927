"""What all tests share: the fixtures of the real network, started only when a test asks for them."""

import pytest

pytest_plugins = ["tests.network.fixtures"]

# Asserts outside test files, too, say what was compared.
pytest.register_assert_rewrite("tests.follow.watch", "tests.stories.world", "tests.stories.page")
