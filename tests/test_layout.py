"""The shape of the project: `supervisor/` is `fluxlit.supervisor`, every package is in the wheel, files stay small."""

import ast
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = {"fluxlit": ROOT / "fluxlit", "fluxlit.supervisor": ROOT / "supervisor"}
MODULES = sorted(
    path.relative_to(ROOT)
    for folder in SOURCES.values()
    for path in folder.rglob("*.py")
    if "supervisor" not in path.relative_to(ROOT).parts[1:]
)


def test_the_link_leads_to_the_folder() -> None:
    """fluxlit/supervisor is a link to ../supervisor, not a copy and not a file."""
    link = ROOT / "fluxlit" / "supervisor"
    assert link.is_symlink()
    assert link.readlink() == Path("../supervisor")
    assert link.resolve() == ROOT / "supervisor"


def test_every_package_is_listed() -> None:
    """A package that pyproject.toml does not list would be missing from the wheel without a word."""
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    on_disk = {
        ".".join((name, *init.parent.relative_to(folder).parts))
        for name, folder in SOURCES.items()
        for init in folder.rglob("__init__.py")
        if name != "fluxlit" or "supervisor" not in init.relative_to(folder).parts
    }
    assert set(setuptools["packages"]) == on_disk


def test_supervisord_keeps_its_name() -> None:
    """The installed distribution has no top-level `supervisor`."""
    code = (
        "import importlib.util, sys; sys.exit(importlib.util.find_spec('supervisor') is not None)"
    )
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    assert (
        subprocess.run(
            [sys.executable, "-P", "-c", code], cwd="/", env=clean, check=False
        ).returncode
        == 0
    )


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_file_is_one_idea(module: Path) -> None:
    """No source file passes 400 lines."""
    assert len((ROOT / module).read_text().splitlines()) <= 400


def does_something(module: Path) -> bool:
    """Whether a module has functions; one of plain declarations has nothing to test."""
    tree = ast.parse((ROOT / module).read_text())
    return any(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) for node in ast.walk(tree))


TESTED = [m for m in MODULES if not m.name.startswith("__") and does_something(m)]


@pytest.mark.parametrize("module", TESTED, ids=str)
def test_every_module_has_its_tests(module: Path) -> None:
    """`fluxlit/relay/client.py` is tested by `tests/relay/test_client.py`."""
    folder = (
        Path(*module.parts[1:-1])
        if module.parts[0] == "fluxlit"
        else Path("supervisor", *module.parts[1:-1])
    )
    assert (ROOT / "tests" / folder / f"test_{module.name}").is_file()


def test_the_tree_names_no_machine() -> None:
    """No absolute path of a machine and no registry host is committed."""
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    forbidden = ("/" + "work/", "/ro" + "ot/", "pypi." + "org", "files.python" + "hosted")
    named = [
        f"{name}: {word}"
        for name in tracked
        if (ROOT / name).is_file()
        for word in forbidden
        if word in (ROOT / name).read_text(errors="replace")
    ]
    assert named == []
