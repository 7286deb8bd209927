"""Every mutation still finds the code that it breaks."""

import pytest

from tests.mutations import MUTATIONS, ROOT, Mutation


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_mutation_finds_its_code_once(mutation: Mutation) -> None:
    """Otherwise it would break nothing, or other code."""
    code = (ROOT / "exporter" / mutation.file).read_text()
    assert code.count(mutation.right) == 1
    assert (ROOT / "tests" / mutation.tests.partition("::")[0]).exists()
