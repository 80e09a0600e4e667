"""The files of the installed Streamlit's user interface, and how each of them is served."""

import importlib.util
import mimetypes
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

INDEX = b"/index.html"
FOREVER = b"public, immutable, max-age=31536000"
"""What Streamlit says of all but HTML and the manifest, the favicon included."""
ASK_AGAIN = b"no-cache"

_KINDS = {
    ".css": "text/css; charset=utf-8",
    ".gif": "image/gif",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/vnd.microsoft.icon",
    ".js": "application/javascript",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
}
"""As Streamlit sends them. Spelled out: the machine's own table may be poor, and a browser does not run
a module script without its type."""
_DENSE = frozenset({".gif", ".jpg", ".jpeg", ".png", ".webp", ".woff", ".woff2"})
"""Compressed by themselves: measured, no coding takes off more than 1 %."""
_LINKED = re.compile(rb"""(?:src|href)="\./(static/[^"]+)\"""")


@dataclass(frozen=True, slots=True)
class File:
    """One file: where it is, its media type, how long it may be kept, whether packing makes it smaller."""

    path: Path
    kind: bytes
    cache: bytes
    packable: bool


@dataclass(frozen=True, slots=True)
class Library:
    """What there was when it was read: raw path to file.

    ``first`` are the raw paths that the page itself names, in its order; ``stamp`` tells whether
    another version has been installed since.
    """

    folder: Path
    files: Mapping[bytes, File]
    first: tuple[bytes, ...]
    stamp: tuple[int, int, int]

    def is_current(self) -> bool:
        """Whether the installed page is still the one that was read; blocks for one stat."""
        try:
            return _stamp(self.folder) == self.stamp
        except OSError:
            return False


def find() -> Path | None:
    """The folder of the installed Streamlit's page, found without importing it; None if there is none."""
    spec = importlib.util.find_spec("streamlit")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(place) / "static"
        if (folder / "index.html").is_file():
            return folder
    return None


def read(folder: Path) -> Library:
    """List the folder and read its page; blocks for about 5 ms (360 files). Raises OSError."""
    stamp = _stamp(folder)
    files = {b"/" + name.encode("ascii"): _file(folder, name) for name in _names(folder)}
    links = (b"/" + link for link in _LINKED.findall((folder / "index.html").read_bytes()))
    return Library(folder, files, tuple(link for link in links if link in files), stamp)


def _names(folder: Path) -> Iterator[str]:
    # Bazel and Nix build the tree out of links; Streamlit follows them as well.
    for place, _, names in os.walk(folder, followlinks=True):
        for name in names:
            relative = (Path(place) / name).relative_to(folder).as_posix()
            if re.fullmatch(r"[A-Za-z0-9._~/-]+", relative):
                yield relative


def _file(folder: Path, name: str) -> File:
    suffix = Path(name).suffix.lower()
    kind = _KINDS.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    # As Streamlit decides: by the whole relative name for the manifest, by the ending for HTML.
    fleeting = suffix == ".html" or name == "manifest.json"
    return File(
        folder / name,
        kind.encode("ascii"),
        ASK_AGAIN if fleeting else FOREVER,
        packable=suffix not in _DENSE,
    )


def _stamp(folder: Path) -> tuple[int, int, int]:
    found = (folder / "index.html").stat()
    return found.st_mtime_ns, found.st_size, found.st_ino
