"""One reader for each Kind: from text (environment, flags) and from TOML values.

``read_text`` and ``read_toml`` raise InvalidValue; ``to_toml`` is their inverse for rendering.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from fluxlit.config import addresses, from_text, from_toml
from fluxlit.config.settings import About, Kind


@dataclass(frozen=True, slots=True)
class Reader:
    """How values of one Kind are read from text and from TOML."""

    text: Callable[[str, About], Any]
    toml: Callable[[object, About], Any]


READERS: Mapping[Kind, Reader] = {
    Kind.TEXT: Reader(from_text.text, from_toml.string(from_text.text)),
    Kind.FLAG: Reader(from_text.flag, from_toml.flag),
    Kind.COUNT: Reader(from_text.count, from_toml.count),
    Kind.SECONDS: Reader(from_text.seconds, from_toml.seconds),
    Kind.BYTES: Reader(from_text.size, from_toml.size),
    Kind.PORT: Reader(from_text.port, from_toml.port),
    Kind.TEXTS: Reader(from_text.texts, from_toml.texts),
    Kind.NETWORKS: Reader(
        from_text.texts_of(addresses.network), from_toml.texts_of(addresses.network)
    ),
    Kind.ORIGINS: Reader(
        from_text.texts_of(addresses.origin), from_toml.texts_of(addresses.origin)
    ),
    Kind.PREFIX: Reader(from_text.prefix, from_toml.string(from_text.prefix)),
    Kind.URL: Reader(from_text.url, from_toml.string(from_text.url)),
    Kind.TOTAL: Reader(from_text.total, from_toml.total),
    Kind.NUMBER: Reader(from_text.number, from_toml.number),
    Kind.CHOICE: Reader(from_text.choice, from_toml.string(from_text.choice)),
    Kind.TABLE: Reader(from_text.table, from_toml.table),
}


def read_text(text: str, about: About) -> Any:  # noqa: ANN401 - by kind
    """Read a value from the environment or the command line."""
    return READERS[about.kind].text(text, about)


def read_toml(value: object, about: About) -> Any:  # noqa: ANN401 - by kind
    """Read a value that tomllib has parsed."""
    return READERS[about.kind].toml(value, about)


def to_toml(value: Any) -> Any:  # noqa: ANN401 - by kind
    """Turn a setting into what TOML and JSON can hold; it reads back as the same setting."""
    if value is None:
        return "auto"
    return list(cast("tuple[str, ...]", value)) if isinstance(value, tuple) else value
