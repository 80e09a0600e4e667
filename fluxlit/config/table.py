"""The table of settings: one row for each field of Settings, in the order of the source.

Rows are read from the dataclass fields and their metadata; nothing is listed twice.
"""

from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from typing import Any

from fluxlit.config.settings import About, Settings


@dataclass(frozen=True, slots=True)
class Row:
    """One setting: ``group`` is empty for the fields of Settings itself."""

    group: str
    field: str
    default: Any
    about: About

    @property
    def key(self) -> str:
        """Its name in TOML and in every message: ``group.field`` or ``field``."""
        return f"{self.group}.{self.field}" if self.group else self.field

    @property
    def regular(self) -> str:
        """Its regular environment variable: ``FLUXLIT_<GROUP>_<FIELD>``."""
        return f"FLUXLIT_{self.key.replace('.', '_').upper()}"

    @property
    def variables(self) -> tuple[str, ...]:
        """Every environment variable that sets it, in falling precedence, the regular one first."""
        return tuple(dict.fromkeys((self.regular, *self.about.env)))

    @property
    def flags(self) -> tuple[str, ...]:
        """Its command line flags: none, one, or for a switch the one that turns on and the other."""
        return tuple(self.about.flag.split("/")) if self.about.flag else ()


Table = Mapping[str, Row]


def _default(field: "Field[Any]") -> Any:  # noqa: ANN401 - a setting may be of any type
    return field.default_factory() if field.default_factory is not MISSING else field.default


def read_table(settings: type) -> dict[str, Row]:
    """Read the rows of a settings class, by key; a field without About is a TypeError (our bug)."""
    rows: list[Row] = []
    for field in fields(settings):
        if isinstance(field.type, type) and is_dataclass(field.type):
            rows += [_row(field.name, inner) for inner in fields(field.type)]
        else:
            rows.append(_row("", field))
    return {row.key: row for row in rows}


def _row(group: str, field: "Field[Any]") -> Row:
    about = field.metadata.get("about")
    if not isinstance(about, About):
        message = f"setting {group}.{field.name} is declared without About"
        raise TypeError(message)
    return Row(group, field.name, _default(field), about)


def build(settings: type[Settings], values: Mapping[str, Any]) -> Settings:
    """Make Settings from values by key; what is not given keeps its default."""
    top: dict[str, Any] = {}
    for field in fields(settings):
        if isinstance(field.type, type) and is_dataclass(field.type):
            prefix = f"{field.name}."
            inner = {k.removeprefix(prefix): v for k, v in values.items() if k.startswith(prefix)}
            top[field.name] = field.type(**inner)
        elif field.name in values:
            top[field.name] = values[field.name]
    return settings(**top)


def value_of(settings: Settings, row: Row) -> Any:  # noqa: ANN401 - a setting may be of any type
    """The value that ``settings`` holds for ``row``."""
    holder = getattr(settings, row.group) if row.group else settings
    return getattr(holder, row.field)


TABLE: Table = read_table(Settings)

# Keys at the top of the file that users of fluxlit 0.13 know; they go on working.
FILE_ALIASES: Mapping[str, str] = {
    "gateway_host": "gateway.host",
    "gateway_port": "gateway.port",
    "log_level": "log.level",
    "api_mount_path": "gateway.api_prefix",
    "root_path": "gateway.root_path",
}
