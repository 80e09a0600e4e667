"""Which content coding of a resource a client gets (RFC 9110 12.5.3); pure."""

from collections.abc import Sequence

IDENTITY = b"identity"

_ALIASES = {b"x-gzip": b"gzip", b"x-compress": b"compress"}
"""Old names that mean the same (RFC 9110 8.4.1)."""


def choose(accepted: Sequence[bytes], offered: Sequence[bytes]) -> bytes:
    """The best coding of ``offered`` (best first) for the elements of Accept-Encoding.

    The client's weights decide, then our order. Identity is what everybody can read: it is the
    answer when nothing else is acceptable, even to a client that refuses it, because a 406 would
    help nobody.
    """
    weights = _weights(accepted)
    others = weights.get(b"*", 0.0)
    ranked = [(weights.get(coding, others), -place) for place, coding in enumerate(offered)]
    weight, place = max(ranked, default=(0.0, 0))
    # What is not named is acceptable as identity, but only wanted where nothing else is (12.5.3).
    if weight <= 0 or weights.get(IDENTITY, 0.0) > weight:
        return IDENTITY
    return offered[-place]


def _weights(accepted: Sequence[bytes]) -> dict[bytes, float]:
    found: dict[bytes, float] = {}
    for element in accepted:
        name, _, parameters = element.partition(b";")
        coding = name.strip(b" \t").lower()
        found[_ALIASES.get(coding, coding)] = _weight(parameters)
    return found


def _weight(parameters: bytes) -> float:
    """The q of an element, 1 without one; one that cannot be read asks for nothing."""
    text = parameters.strip(b" \t").lower()
    if not text:
        return 1.0
    name, _, value = text.partition(b"=")
    whole, _, decimals = value.partition(b".")
    legible = whole in {b"0", b"1"} and len(decimals) <= 3 and (decimals or b"0").isdigit()
    if name.strip(b" \t") != b"q" or not legible:
        return 0.0
    return min(1.0, float(value))
