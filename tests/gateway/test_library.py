"""The list of the installed Streamlit's files: complete, typed, and aware of another version."""

import sys
from pathlib import Path

import pytest

from fluxlit.gateway import library
from fluxlit.gateway.library import ASK_AGAIN, FOREVER


def installed() -> library.Library:
    """The library of the Streamlit that is installed here."""
    folder = library.find()
    assert folder is not None
    return library.read(folder)


def small(folder: Path) -> Path:
    """A page with one script of its own."""
    (folder / "static").mkdir(parents=True)
    (folder / "index.html").write_text(
        '<script type="module" src="./static/a.js"></script><link href="./static/gone.js">'
    )
    (folder / "static" / "a.js").write_text("1")
    return folder


def test_streamlit_is_found_without_being_imported() -> None:
    """The daemon stays small."""
    before = set(sys.modules)
    assert library.find() is not None
    assert not {name for name in set(sys.modules) - before if name.startswith("streamlit")}


def test_every_file_is_listed() -> None:
    """As many as there are on the disk, and each where Streamlit has it."""
    found = installed()
    there = {path for path in found.folder.rglob("*") if path.is_file()}
    assert {file.path for file in found.files.values()} == there
    assert all(found.folder / raw.decode()[1:] in there for raw in found.files)


def test_the_first_page_is_what_the_page_names() -> None:
    """Some sixty scripts, a font and a style sheet, all of them there."""
    found = installed()
    assert len(found.first) > 40
    assert all(raw.startswith(b"/static/") and raw in found.files for raw in found.first)


def test_what_is_packed_already_is_left_alone() -> None:
    """Fonts and pictures are not packable, scripts are."""
    found = installed().files.values()
    assert {file.path.suffix for file in found if not file.packable} <= {
        ".woff",
        ".woff2",
        ".png",
        ".gif",
    }
    assert all(file.packable for file in found if file.path.suffix == ".js")


@pytest.mark.parametrize(
    ("raw", "cache"),
    [
        (b"/index.html", ASK_AGAIN),
        (b"/manifest.json", ASK_AGAIN),
        (b"/favicon.png", FOREVER),
    ],
)
def test_how_long_a_file_may_be_kept(raw: bytes, cache: bytes) -> None:
    """As Streamlit says it."""
    assert installed().files[raw].cache == cache


def test_another_version_is_noticed(tmp_path: Path) -> None:
    """By its page; a page that is gone counts too."""
    found = library.read(small(tmp_path / "ui"))
    assert found.is_current()
    (found.folder / "index.html").write_text("<p>new")
    assert not found.is_current()
    (found.folder / "index.html").unlink()
    assert not found.is_current()


def test_a_link_that_leads_nowhere_is_not_expected(tmp_path: Path) -> None:
    """Only files that exist are packed ahead."""
    assert library.read(small(tmp_path / "ui")).first == (b"/static/a.js",)


def test_folders_may_be_links(tmp_path: Path) -> None:
    """Bazel and Nix install so."""
    real = small(tmp_path / "real")
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "index.html").symlink_to(real / "index.html")
    (linked / "static").symlink_to(real / "static")
    assert b"/static/a.js" in library.read(linked).files


def test_without_streamlit_there_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user interface may be served without Streamlit being installed."""

    def nothing(_name: str) -> None:
        return None

    monkeypatch.setattr("importlib.util.find_spec", nothing)
    assert library.find() is None
