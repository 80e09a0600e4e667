"""Where settings come from: flags, environment, ``.env`` and the file, each read to Offers.

An Offer is one value that one source has for one setting, not yet parsed. What cannot be offered
(an unknown key, broken TOML, a secret's file that is not there) becomes a Problem at once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any, cast

from fluxlit.config.kinds import read_text, read_toml
from fluxlit.config.table import Row, Table
from fluxlit.errors import Problem


class Source(StrEnum):
    """Who set a value; in falling precedence."""

    FLAG = "flag"
    ENV = "env"
    DOTENV = ".env"
    FILE = "file"
    PLATFORM = "platform"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value comes from: the source, and the place as its user would write it."""

    source: Source
    place: str = ""

    def __str__(self) -> str:
        return f"{self.source}: {self.place}" if self.place else str(self.source)


@dataclass(frozen=True, slots=True)
class Offer:
    """A value for ``row``; ``read()`` parses it and may raise InvalidValue."""

    row: Row
    raw: object
    origin: Origin
    read: Callable[[], Any]

    @property
    def found(self) -> str:
        """The value as a message may show it."""
        return "***" if self.row.about.secret else show(self.raw)


@dataclass(slots=True)
class Findings:
    """What a source yields: offers by key, mistakes, and remarks that stop nothing."""

    offers: dict[str, Offer] = field(default_factory=dict[str, Offer])
    problems: list[Problem] = field(default_factory=list[Problem])
    warnings: list[str] = field(default_factory=list[str])


def show(value: object) -> str:
    """Write a value into a message: as TOML would have it, and not longer than a line."""
    plain = list(cast("tuple[object, ...]", value)) if isinstance(value, tuple) else value
    text = str(plain).lower() if isinstance(plain, bool) else repr(plain)
    return text if len(text) <= 80 else f"{text[:77]}..."


def text_offer(row: Row, text: str, origin: Origin) -> Offer:
    """Offer a text, as flags and variables give it."""
    return Offer(row, text, origin, partial(read_text, text, row.about))


def toml_offer(row: Row, value: object, origin: Origin) -> Offer:
    """Offer a value of a TOML file."""
    return Offer(row, value, origin, partial(read_toml, value, row.about))


def read_flags(flags: Mapping[str, str], table: Table) -> Findings:
    """Offer what the command line gave, by key; a key outside of the table is a KeyError."""
    findings = Findings()
    for key, text in flags.items():
        row = table[key]
        findings.offers[key] = text_offer(row, text, Origin(Source.FLAG, _flag_name(row, text)))
    return findings


def _flag_name(row: Row, text: str) -> str:
    if not row.flags:
        return row.field.upper()
    return row.flags[-1] if text == "false" else row.flags[0]
