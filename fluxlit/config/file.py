"""Settings from ``fluxlit.toml``, from ``[tool.fluxlit]`` of pyproject.toml, or from --config FILE."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

from fluxlit.config.sources import Findings, Origin, Source, show, toml_offer
from fluxlit.config.table import FILE_ALIASES, Table
from fluxlit.config.toml_lines import Path as KeyPath
from fluxlit.config.toml_lines import key_lines, line_of, line_of_error
from fluxlit.errors import Problem

PROJECT_FILE = "fluxlit.toml"
PYPROJECT = "pyproject.toml"
_IN_PYPROJECT = ("tool", "fluxlit")


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file: our table of it, the lines of its keys, and what precedes our keys in them."""

    name: str
    values: Mapping[str, Any]
    lines: Mapping[KeyPath, int]
    prefix: KeyPath = ()

    def place(self, *path: str) -> str:
        """``file:line key``, the key in the spelling of the file."""
        key = ".".join(part if _is_bare(part) else f'"{part}"' for part in path)
        return f"{self.name}:{line_of(self.lines, (*self.prefix, *path))} {key}"


def _is_bare(part: str) -> bool:
    return part.replace("_", "").replace("-", "").isalnum() and part.isascii()


def read_file(directory: Path, config_file: Path | None, table: Table) -> Findings:
    """Offer what the file holds: ``config_file`` if given, else the one found in ``directory``.

    A given file that is missing is a Problem; without one, no file at all is fine.
    """
    findings = Findings()
    for document in _documents(directory, config_file, findings):
        _read(document, table, findings)
    return findings


def _documents(directory: Path, given: Path | None, findings: Findings) -> Iterator[Document]:
    for path in (given,) if given else (directory / PROJECT_FILE, directory / PYPROJECT):
        name = str(given) if given else path.name
        text = _text(directory / path, name, findings, must_exist=given is not None)
        if text is None:
            continue
        document = _parse(name, text, findings, given=given is not None)
        if document is not None:
            yield document
        if name == PROJECT_FILE:
            return


def _text(path: Path, name: str, findings: Findings, *, must_exist: bool) -> str | None:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as exc:
        findings.problems.append(Problem(name, f"byte {exc.start} is not UTF-8", "a TOML file"))
    except OSError as exc:
        if must_exist or not isinstance(exc, FileNotFoundError | NotADirectoryError):
            place = f"--config {name}" if must_exist else name
            reason = (exc.strerror or str(exc)).lower()
            findings.problems.append(Problem(place, reason, "a readable file"))
    return None


def _parse(name: str, text: str, findings: Findings, *, given: bool) -> Document | None:
    is_pyproject = Path(name).name == PYPROJECT
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        # Somebody else's broken pyproject.toml is not for us to judge.
        if given or not is_pyproject or "tool.fluxlit" in text:
            findings.problems.append(_broken(name, text, exc))
        return None
    if not is_pyproject:
        return Document(name, values, key_lines(text))
    ours = _inside(_inside(values, "tool"), "fluxlit")
    if ours is not None:
        return Document(name, ours, key_lines(text), _IN_PYPROJECT)
    if given:
        findings.problems.append(Problem(f"--config {name}", "no such table", "[tool.fluxlit]"))
    return None


def _inside(values: Mapping[str, Any] | None, name: str) -> Mapping[str, Any] | None:
    inner: object = values.get(name) if values else None
    return cast("dict[str, Any]", inner) if isinstance(inner, dict) else None


def _broken(name: str, text: str, error: tomllib.TOMLDecodeError) -> Problem:
    line = line_of_error(error, text)
    lines = text.splitlines()
    found = lines[line - 1].strip() if line <= len(lines) else ""
    return Problem(f"{name}:{line}", show(found), "TOML", str(error))


def _read(document: Document, table: Table, findings: Findings) -> None:
    groups = {row.group for row in table.values()}
    for name, value in document.values.items():
        if name in groups - {""}:
            _read_group(document, name, value, table, findings)
        else:
            _take(document, (name,), value, table, findings)


def _read_group(
    document: Document, group: str, value: object, table: Table, findings: Findings
) -> None:
    if not isinstance(value, dict):
        place = document.place(group)
        findings.problems.append(Problem(place, show(value), f"a table: [{group}]"))
        return
    for name, inner in cast("dict[str, object]", value).items():
        _take(document, (group, name), inner, table, findings)


def _take(
    document: Document, path: KeyPath, value: object, table: Table, findings: Findings
) -> None:
    place = document.place(*path)
    spelled = ".".join(path)
    # "gateway.port" in quotes is one key with a dot in it, as TOML has it.
    is_dotted = any("." in part for part in path)
    row = None if is_dotted else table.get(FILE_ALIASES.get(spelled, spelled))
    if row is None:
        findings.problems.append(_unknown(place, path, value, table))
    elif row.key in findings.offers:
        other = findings.offers[row.key].origin.place
        findings.problems.append(Problem(place, show(value), "one value", f"also set at {other}"))
    else:
        findings.offers[row.key] = toml_offer(row, value, Origin(Source.FILE, place))


def _unknown(place: str, path: KeyPath, value: object, table: Table) -> Problem:
    names = [
        *table,
        *FILE_ALIASES,
        *dict.fromkeys(row.group for row in table.values() if row.group),
    ]
    # A right name in a wrong table is as common a mistake as a wrong letter.
    namesakes = [key for key in table if key.split(".")[-1] == path[-1]]
    near = namesakes[:1] or get_close_matches(".".join(path), names, 1)
    hint = f"did you mean {near[0]}?" if near else ""
    found = "an unknown table" if isinstance(value, dict) else "an unknown key"
    return Problem(place, found, "the name of a setting", hint)
