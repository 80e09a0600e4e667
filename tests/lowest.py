"""Print a constraints file that pins every direct dependency to the lowest version its range allows."""

import re
import tomllib
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"


def lowest(requirement: str) -> str:
    """`name>=1.2,<2` becomes `name==1.2`; an exact pin stays as it is."""
    found = re.match(
        r"(?P<name>[A-Za-z0-9_.-]+)(?:\[[^]]*\])?\s*(?:>=|==)\s*(?P<version>[0-9][^,;\s]*)",
        requirement,
    )
    if found is None:
        message = f"pyproject.toml: {requirement!r} has no lower bound"
        raise SystemExit(message)
    return f"{found['name']}=={found['version']}"


def main() -> None:
    """Read the run-time dependencies; the tools that test them stay at their newest."""
    project = tomllib.loads(PROJECT.read_text())["project"]
    print("\n".join(sorted(lowest(requirement) for requirement in project["dependencies"])))


if __name__ == "__main__":
    main()
