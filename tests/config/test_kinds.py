"""The registry of readers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxlit.config.invalid import InvalidValue
from fluxlit.config.kinds import READERS, read_text, read_toml, to_toml
from fluxlit.config.settings import Kind
from fluxlit.config.table import TABLE

_TOML = st.recursive(
    st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)


@pytest.mark.parametrize("kind", Kind)
def test_total(kind: Kind) -> None:
    """There is a reader for each kind."""
    assert kind in READERS


@given(st.sampled_from(sorted(TABLE)), st.text(max_size=12))
def test_any_text_is_read_or_refused(key: str, text: str) -> None:
    """No text breaks a reader, and what is read is written so that it reads back equal."""
    about = TABLE[key].about
    try:
        value = read_text(text, about)
    except InvalidValue:
        return
    assert read_toml(to_toml(value), about) == value


@given(st.sampled_from(sorted(TABLE)), _TOML)
def test_any_toml_is_read_or_refused(key: str, given_value: object) -> None:
    """No TOML value breaks a reader either."""
    about = TABLE[key].about
    try:
        value = read_toml(given_value, about)
    except InvalidValue:
        return
    assert read_toml(to_toml(value), about) == value
