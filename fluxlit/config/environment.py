"""Settings from environment variables and from the ``.env`` file of the working directory."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from fluxlit.config import dotenv
from fluxlit.config.known import OWN, PUBLISHED
from fluxlit.config.sources import Findings, Origin, Source, text_offer
from fluxlit.config.table import Row, Table
from fluxlit.errors import Problem

# Not ours: a platform that has nothing to say sets it empty or not at all.
PORT = "PORT"
PREFIX = "FLUXLIT_"


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable as found: its text and how a message names it."""

    name: str
    text: str
    origin: Origin


Variables = Mapping[str, Variable]


def read_environment(environ: Mapping[str, str], table: Table) -> Findings:
    """Offer what the process environment holds; unknown FLUXLIT_* names are warnings."""
    variables = {
        name: Variable(name, text, Origin(Source.ENV, name)) for name, text in environ.items()
    }
    return _findings(variables, table)


def read_dotenv(directory: Path, table: Table) -> Findings:
    """Offer what ``.env`` in ``directory`` holds, if there is one; unreadable is a Problem."""
    path = directory / ".env"
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        # A folder named .env is a virtual environment of old habit, not a mistake.
        return Findings()
    except (OSError, UnicodeDecodeError) as exc:
        return Findings(problems=[Problem(".env", str(exc), "a readable UTF-8 file")])
    variables = {
        name: Variable(name, value, Origin(Source.DOTENV, f".env:{line} {name}"))
        for name, (value, line) in dotenv.parse(text).items()
    }
    return _findings(variables, table)


def _findings(variables: Variables, table: Table) -> Findings:
    findings = Findings()
    for row in table.values():
        _offer(row, variables, findings)
    findings.warnings += _unknown(variables, table)
    return findings


def _offer(row: Row, variables: Variables, findings: Findings) -> None:
    given = [found for name in row.variables if (found := variables.get(name)) and _says(found)]
    if row.about.secret:
        given += list(_from_files(row, variables, findings))
    if not given:
        return
    first, *others = given
    findings.offers[row.key] = text_offer(row, first.text, first.origin)
    findings.warnings += [
        f"{other.origin.place}: ignored, because {first.name} is set to something else"
        for other in others
        if other.text != first.text and other.name != PORT
    ]


def _says(variable: Variable) -> bool:
    return variable.name != PORT or variable.text.strip() != ""


def _from_files(row: Row, variables: Variables, findings: Findings) -> Iterator[Variable]:
    """Read ``<VAR>_FILE``, the form of Docker and Kubernetes secrets; one last newline is cut."""
    for name in row.variables:
        pointer = variables.get(f"{name}_FILE")
        if pointer is None:
            continue
        try:
            text = Path(pointer.text).read_text(encoding="utf-8").removesuffix("\n")
        except (OSError, UnicodeDecodeError) as exc:
            place, reason = pointer.origin.place, _reason(exc)
            findings.problems.append(Problem(place, pointer.text, "a readable file", reason))
            continue
        yield Variable(pointer.name, text, pointer.origin)


def _reason(exc: OSError | UnicodeDecodeError) -> str:
    return (exc.strerror or str(exc)) if isinstance(exc, OSError) else "it is not UTF-8"


def _unknown(variables: Variables, table: Table) -> Iterator[str]:
    names = {name for row in table.values() for name in row.variables}
    names |= {f"{n}_FILE" for row in table.values() if row.about.secret for n in row.variables}
    for variable in variables.values():
        name = variable.name
        if not name.startswith(PREFIX) or name in names | OWN:
            continue
        if name in PUBLISHED:
            yield f"{variable.origin.place}: not a setting of this version, it has no effect"
            continue
        near = _nearest(name, names)
        hint = f"; did you mean {near}?" if near else ""
        yield f"{variable.origin.place}: unknown, it has no effect{hint}"


def _nearest(name: str, names: Iterable[str]) -> str:
    # The prefix that all share would make any two short names look alike.
    bare = {known.removeprefix(PREFIX): known for known in sorted(names)}
    near = get_close_matches(name.removeprefix(PREFIX), bare, 1)
    return bare[near[0]] if near else ""
