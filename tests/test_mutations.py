"""`make mutations` takes minutes; here only that it still breaks what it means to break."""

import pytest

from tests.mutations import MUTATIONS, ROOT, Mutation


@pytest.mark.parametrize("mutation", MUTATIONS, ids=[mutation.name for mutation in MUTATIONS])
def test_what_is_broken_is_there(mutation: Mutation) -> None:
    """Once in the file that it names; and there are tests to notice it."""
    assert (ROOT / "exporter" / mutation.file).read_text().count(mutation.right) == 1
    assert (ROOT / "tests" / mutation.tests).exists()
