"""Offers, origins, and how values are shown in messages."""

import pytest

from fluxlit.config.settings import About, Kind
from fluxlit.config.sources import Offer, Origin, Source, read_flags, show, text_offer, toml_offer
from fluxlit.config.table import TABLE, Row

SECRET = Row("auth", "key", "", About(Kind.TEXT, "A key", secret=True))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (True, "true"),
        ("a\nb", r"'a\nb'"),
        (("a",), "['a']"),
        (1.5, "1.5"),
        ("x" * 200, f"'{'x' * 76}..."),
    ],
)
def test_show(value: object, shown: str) -> None:
    """A value in a message is one line, however long it is."""
    assert show(value) == shown


def test_a_secret_is_not_shown() -> None:
    """The value of a secret is in no message."""
    offer = text_offer(SECRET, "s3cret", Origin(Source.ENV, "X"))
    assert (offer.found, "s3cret" in str(offer.origin)) == ("***", False)


def test_offers_read_by_their_source() -> None:
    """The same characters are a number in a variable and no number in a file."""
    row, origin = TABLE["gateway.port"], Origin(Source.ENV, "X")
    assert text_offer(row, "80", origin).read() == 80
    offers: list[Offer] = [toml_offer(row, "80", origin)]
    with pytest.raises(ValueError, match="port"):
        offers[0].read()


@pytest.mark.parametrize(
    ("key", "text", "place"),
    [
        ("gateway.port", "1", "--port"),
        ("gateway.trust_proxy", "true", "--proxy-headers"),
        ("gateway.trust_proxy", "false", "--no-proxy-headers"),
        ("target", "a:b", "TARGET"),
    ],
)
def test_flags_are_named_as_written(key: str, text: str, place: str) -> None:
    """The place of a flag is the flag that was used."""
    offer = read_flags({key: text}, TABLE).offers[key]
    assert (offer.raw, offer.origin) == (text, Origin(Source.FLAG, place))


def test_origins_as_text() -> None:
    """An origin reads as source and place."""
    assert str(Origin(Source.DEFAULT)) == "default"
    assert str(Origin(Source.DOTENV, ".env:1 X")) == ".env: .env:1 X"
