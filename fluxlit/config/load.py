"""Settings from all sources: flag, environment, ``.env``, file, platform, default, in this order."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fluxlit.config.checks import cross_check, remarks
from fluxlit.config.environment import PORT, read_dotenv, read_environment
from fluxlit.config.file import read_file
from fluxlit.config.invalid import InvalidValue
from fluxlit.config.settings import Settings
from fluxlit.config.sources import Findings, Offer, Origin, Source, read_flags
from fluxlit.config.table import TABLE, build
from fluxlit.errors import ConfigError, Problem

_ANY_ADDRESS = "0.0.0.0"


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings, where each comes from (by key), and remarks that stop nothing."""

    settings: Settings
    origins: Mapping[str, Origin]
    warnings: tuple[str, ...] = ()


def load(
    argv_flags: Mapping[str, str],
    environ: Mapping[str, str],
    directory: Path,
    config_file: Path | None,
) -> Loaded:
    """Read every source and return what holds; ConfigError carries every mistake of all of them.

    ``argv_flags`` maps keys to text. A value that a higher source covers is parsed all the same:
    a mistake is a mistake wherever it stands.
    """
    sources = (
        read_flags(argv_flags, TABLE),
        read_environment(environ, TABLE),
        read_dotenv(directory, TABLE),
        read_file(directory, config_file, TABLE),
    )
    problems = [problem for source in sources for problem in source.problems]
    values, origins, wrong = _resolve(sources, problems)
    _open_for_platform(values, origins)
    settings = build(Settings, values)
    problems += cross_check(settings, origins, wrong)
    if problems:
        raise ConfigError(*problems)
    warnings = [warning for source in sources for warning in source.warnings]
    return Loaded(settings, origins, (*warnings, *remarks(settings)))


def _resolve(
    sources: Iterable[Findings], problems: list[Problem]
) -> tuple[dict[str, Any], dict[str, Origin], set[str]]:
    """Parse every offer, highest source first: of those for one setting the first one holds."""
    values: dict[str, Any] = {}
    origins = {key: Origin(Source.DEFAULT) for key in TABLE}
    wrong: set[str] = set()
    for offer in (offer for source in sources for offer in source.offers.values()):
        key = offer.row.key
        try:
            value = offer.read()
        except InvalidValue as exc:
            problems.append(_problem(offer, exc))
            wrong.add(key)
            continue
        if key not in values:
            values[key], origins[key] = value, offer.origin
    return values, origins, wrong


def _problem(offer: Offer, invalid: InvalidValue) -> Problem:
    # A hint may quote the value, and a secret stays one even when it is wrong.
    hint = "" if offer.row.about.secret else invalid.hint
    return Problem(offer.origin.place, offer.found, invalid.expected, hint)


def _open_for_platform(values: dict[str, Any], origins: dict[str, Origin]) -> None:
    """A platform that gives PORT connects from outside, so a host that nobody chose must be open."""
    port = origins["gateway.port"].place
    from_platform = port.split(" ")[-1] == PORT  # as .env:3 PORT, too
    if from_platform and origins["gateway.host"].source is Source.DEFAULT:
        values["gateway.host"] = _ANY_ADDRESS
        reason = f"because the port comes from {port}"
        origins["gateway.host"] = Origin(Source.PLATFORM, reason)
