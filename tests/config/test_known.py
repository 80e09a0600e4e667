"""Names that are no settings."""

import pytest

from fluxlit.config.known import OWN, PUBLISHED
from fluxlit.config.table import TABLE


@pytest.mark.parametrize("name", sorted(OWN | PUBLISHED))
def test_they_are_ours_to_judge(name: str) -> None:
    """Only names with our prefix are listed, and none that is a setting."""
    assert name.startswith("FLUXLIT_")
    assert all(name not in row.variables for row in TABLE.values())
