"""Any value as what JSON can say: bounded in size and depth, secrets hidden, never an exception.

Pure. A log line is written in the worst moments of a program, so every value is expected:
cycles, objects whose __str__ raises, integers of a million digits, lone surrogates, NaN.
"""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeAlias, cast

from fluxlit.log.redaction import MARK, is_secret_key

Plain: TypeAlias = "str | int | float | bool | list[Plain] | dict[str, Plain] | None"

MAX_DEPTH = 8
MAX_VALUES = 1_000
"""Values of one event in all; what lies beyond is replaced by ELLIPSIS."""
MAX_INTEGER_BITS = 1_024
"""Python refuses to print integers of more than 4 300 digits (CVE-2020-10735)."""
MAX_SCRUBBED = 1024 * 1024
"""Characters that are searched for secrets; far above what is kept, so that no cut opens a secret."""
ELLIPSIS = "…"


def shorten(text: str, limit: int) -> str:
    """At most about ``limit`` characters: head and tail stay (a traceback's end says most)."""
    if len(text) <= limit:
        return text
    head, tail = limit * 2 // 3, limit // 3
    return f"{text[:head]}{ELLIPSIS}[{len(text) - head - tail} characters left out]{ELLIPSIS}{text[-tail:]}"


@dataclass(slots=True)
class Plainer:
    """Turns the values of one event plain; ``longest`` characters a text, ``scrub`` for each text."""

    scrub: Callable[[str], str]
    longest: int
    left: int = MAX_VALUES

    def mapping(self, values: Mapping[Any, object], depth: int = 0) -> dict[str, Plain]:
        """The mapping with text keys; what stands under a secret key is hidden whatever it is."""
        plain: dict[str, Plain] = {}
        for key, value in islice(values.items(), max(self.left, 0)):
            name = key if type(key) is str and len(key) < 128 else self._text(key)
            plain[name] = self._kept(name, value, depth)
        if len(values) > len(plain):
            plain[ELLIPSIS] = f"{len(values) - len(plain)} more"
        return plain

    def value(self, value: object, depth: int) -> Plain:
        """The value itself where JSON has it, else its nearest relative or its text."""
        self.left -= 1
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, int):
            is_short = value.bit_length() <= MAX_INTEGER_BITS
            return int(value) if is_short else shorten(hex(value), self.longest)
        if isinstance(value, float) and math.isfinite(value):
            return float(value)
        return self._nested(value, depth)

    def _kept(self, name: str, value: object, depth: int) -> Plain:
        if is_secret_key(name) and value is not None and not isinstance(value, bool):
            return MARK
        return self.value(value, depth)

    def _nested(self, value: object, depth: int) -> Plain:
        if not isinstance(value, Mapping | list | tuple | set | frozenset):
            return self._text(value)
        if depth >= MAX_DEPTH or self.left <= 0:
            return ELLIPSIS
        try:
            if isinstance(value, Mapping):
                return self.mapping(cast("Mapping[Any, object]", value), depth + 1)
            return self._sequence(list(cast("Collection[object]", value)), depth + 1)
        except Exception:  # noqa: BLE001 - a strange Mapping of the user may raise anything
            return f"<unreadable {type(cast('object', value)).__name__}>"

    def _sequence(self, values: list[object], depth: int) -> Plain:
        pair = _secret_pair(values)
        if pair is not None:
            return [pair, MARK]
        plain = [self.value(value, depth) for value in values[: max(self.left, 0)]]
        return plain if len(plain) == len(values) else [*plain, f"{len(values) - len(plain)} more"]

    def _text(self, value: object) -> str:
        return shorten(self.scrub(shorten(as_text(value), MAX_SCRUBBED)), self.longest)


def _secret_pair(values: list[object]) -> str | None:
    """The name of a header in the form (name, value), as ASGI and h11 have them, if it is a secret."""
    if len(values) != 2 or not isinstance(values[0], str | bytes):
        return None
    name = as_text(values[0])
    return name if is_secret_key(name) else None


def as_text(value: object) -> str:
    """The text of any object; bytes as UTF-8 with escapes for what is not."""
    try:
        if isinstance(value, str):
            # Not str(): a subclass may override __str__, and a StrEnum's is its value either way.
            return str.__str__(value)
        if isinstance(value, bytes | bytearray):
            return value.decode("utf-8", "backslashreplace")
        return str(value)
    except Exception:  # noqa: BLE001 - __str__ of a user's object may raise anything
        return f"<unprintable {type(value).__name__}>"
