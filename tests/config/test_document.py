"""config/fluxlit.toml is what the code says."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from fluxlit.config.document import document
from fluxlit.config.load import load
from fluxlit.config.settings import Settings
from fluxlit.config.sources import Source
from fluxlit.config.table import TABLE

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "config" / "fluxlit.toml"


def test_the_file_is_current() -> None:
    """The committed file equals what is made from the table."""
    assert FILE.read_text() == document()


def test_it_is_made_by_a_command() -> None:
    """The command that its head names writes it."""
    command = [sys.executable, "-m", "fluxlit.config.document"]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == document()


def test_it_pins_nothing(tmp_path: Path) -> None:
    """A copy of the file sets nothing: PORT and later defaults still count."""
    (tmp_path / "fluxlit.toml").write_text(document())
    loaded = load({}, {}, tmp_path, None)
    assert {origin.source for origin in loaded.origins.values()} == {Source.DEFAULT}


def test_every_default_stands_in_it(tmp_path: Path) -> None:
    """With the # removed, every setting comes from the file and equals its default."""
    text = re.sub(r"^#(?! |$)", "", document(), flags=re.MULTILINE)
    (tmp_path / "fluxlit.toml").write_text(text)
    loaded = load({}, {}, tmp_path, None)
    assert loaded.settings == Settings()
    assert {origin.source for origin in loaded.origins.values()} == {Source.FILE}


def test_every_name_stands_in_it() -> None:
    """Whoever looks for a variable, a flag or a choice finds it there."""
    text = " ".join(line.removeprefix("# ") for line in document().splitlines())
    for row in TABLE.values():
        for word in (*row.variables, *row.flags, *row.about.choices):
            assert word in text, word
        assert row.about.help in text, row.key


def test_it_is_valid_and_narrow() -> None:
    """It is TOML whose lines fit a screen of 100 columns."""
    assert set(tomllib.loads(document())) == {row.group for row in TABLE.values()} - {""}
    assert max(len(line) for line in document().splitlines()) <= 100
