"""The demo's picture."""

from io import BytesIO

import pytest
from PIL import Image

from fluxlit.demo.picture import HEIGHT, WIDTH, landscape


@pytest.mark.parametrize("hour", range(24))
def test_every_hour_has_a_picture(hour: int) -> None:
    """A PNG of the stated size."""
    with Image.open(BytesIO(landscape(hour))) as picture:
        assert (picture.format, picture.size) == ("PNG", (WIDTH, HEIGHT))


def test_the_same_hour_gives_the_same_bytes_and_noon_is_lighter_than_midnight() -> None:
    """Streamlit names media after their content: equal bytes are sent once."""
    assert landscape(12) == landscape(12)
    with Image.open(BytesIO(landscape(12))) as noon, Image.open(BytesIO(landscape(0))) as midnight:
        assert sum(noon.resize((1, 1)).tobytes()) > sum(midnight.resize((1, 1)).tobytes())
