"""The target: which object of which Python module is the user's application, and its import.

A target is ``module:attribute`` or ``path/file.py:attribute``; the attribute may be dotted and is
``app`` when left out. Whatever goes wrong is the user's to mend, so it is told in one line that
names their own file and line; the whole traceback stays on ``__cause__`` for ``--debug``.
"""

import difflib
import importlib
import importlib.util
import re
import sys
import sysconfig
import traceback
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from types import ModuleType

from fluxlit.app import FluxLit
from fluxlit.errors import TargetError

_OURS = Path(__file__).resolve().parent
_LIBRARIES = tuple(
    {
        Path(sysconfig.get_path(name)).resolve()
        for name in ("stdlib", "platstdlib", "purelib", "platlib")
    }
)
# Two sessions of a sidecar may start at once: a file's module is registered before it is complete,
# as Python itself does it, so nobody may look while another imports. Re-entrant: an application
# may load another one while it is being imported.
_importing = RLock()


@dataclass(frozen=True, slots=True)
class Target:
    """A parsed target: ``source`` is a dotted module name or an absolute path, ``attribute`` a dotted name."""

    source: str | Path
    attribute: str

    def __str__(self) -> str:
        return f"{self.source}:{self.attribute}"


def parse(target: str, directory: Path) -> Target:
    """Split ``target``; a relative file is looked for below ``directory``.

    Raises TargetError when it has neither of the two forms.
    """
    source, colon, attribute = target.rpartition(":")
    if not colon:
        source, attribute = target, "app"
    if not _dotted(attribute):
        msg = f"target {target!r}: {attribute!r} is not the name of an attribute; expected e.g. app:app"
        raise TargetError(msg)
    if source.endswith(".py") or "/" in source:
        return Target((directory / Path(source).expanduser()).resolve(), attribute)
    if not _dotted(source):
        msg = f"target {target!r}: {source!r} is neither a module nor a .py file; expected e.g. app:app"
        raise TargetError(msg)
    return Target(source, attribute)


def absolute(target: str, directory: Path) -> str:
    """``target`` in a form that means the same from every working directory (modules stay as they are)."""
    return str(parse(target, directory))


def load(target: str, directory: Path) -> object:
    """Import the object that ``target`` names; relative files and modules are found from ``directory``.

    Raises TargetError with the user's own error in short form. A second call imports nothing anew.
    """
    parsed = parse(target, directory)
    with _importing:
        module = _import(parsed.source, directory.resolve())
    return _attribute(module, parsed)


def load_app(target: str, directory: Path, *, api_prefix: str = "/api") -> FluxLit:
    """Import the application ``target`` names and make sure that it is one.

    Raises TargetError as ``load`` does, for another type of object, and for a page that the API
    under ``api_prefix`` would hide.
    """
    found = load(target, directory)
    if not isinstance(found, FluxLit):
        msg = f"target {target!r} is {_described(found)}, expected a FluxLit object, e.g. app = FluxLit()"
        raise TargetError(msg)
    hidden = next(
        (page for page in found.pages if page.path.casefold() == api_prefix.casefold()), None
    )
    if hidden is not None:
        msg = f"page {hidden.path!r} has the path of the API; rename the page or change gateway.api_prefix"
        raise TargetError(msg)
    return found


def _dotted(name: str) -> bool:
    return bool(name) and all(part.isidentifier() for part in name.split("."))


def _described(found: object) -> str:
    kind = type(found)
    if isinstance(found, type):
        return f"the class {found.__name__}"
    if callable(found) and hasattr(found, "__name__"):
        return f"the function {found.__name__}()"
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
    return f"an object of type {name}"


def _import(source: str | Path, directory: Path) -> ModuleType:
    importlib.invalidate_caches()
    _first_on_path(source.parent if isinstance(source, Path) else directory)
    if isinstance(source, Path) and not source.is_file():
        msg = f"no file {source}{_near(source.stem, source.parent)}"
        raise TargetError(msg)
    try:
        return _import_file(source) if isinstance(source, Path) else importlib.import_module(source)
    except ModuleNotFoundError as exc:
        if isinstance(source, str) and exc.name and f"{source}.".startswith(f"{exc.name}."):
            raise TargetError(_missing(exc.name, directory)) from exc
        raise TargetError(short(exc, directory)) from exc
    except (Exception, SystemExit) as exc:
        raise TargetError(short(exc, directory)) from exc


def _first_on_path(folder: Path) -> None:
    if sys.path[:1] != [str(folder)]:
        sys.path.insert(0, str(folder))


def _import_file(path: Path) -> ModuleType:
    for module in [sys.modules.get(path.stem), sys.modules.get(_alias(path))]:
        if module is not None and getattr(module, "__file__", None) == str(path):
            return module
    # `calendar.py` is a fair name for an application, but not while the standard library's
    # `calendar` answers to it: whoever imports that next must not get the user's file.
    taken = path.stem in sys.modules or path.stem in sys.stdlib_module_names
    return _execute(_alias(path) if taken else path.stem, path)


def _alias(path: Path) -> str:
    return "fluxlit_target_" + re.sub(r"\W", "_", path.stem)


def _execute(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        msg = f"{path} is not a Python file (.py)"
        raise TargetError(msg)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def _missing(name: str, directory: Path) -> str:
    if "." in name:
        return f"no module named {name!r} below {directory}"
    return f"no module named {name!r} in {directory}{_near(name, directory)}"


def _near(stem: str, directory: Path) -> str:
    near = difflib.get_close_matches(stem, [path.stem for path in directory.glob("*.py")], n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _attribute(module: ModuleType, target: Target) -> object:
    found: object = module
    for name in target.attribute.split("."):
        try:
            found = getattr(found, name)
        except AttributeError as exc:
            msg = f"{target.source} has no attribute {target.attribute!r}{_hint(found, name)}"
            raise TargetError(msg) from exc
    return found


def _hint(holder: object, name: str) -> str:
    names = (
        [each for each in vars(holder) if not each.startswith("_")]
        if hasattr(holder, "__dict__")
        else []
    )
    apps = [each for each in names if isinstance(getattr(holder, each, None), FluxLit)]
    near = apps or difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def short(error: BaseException, directory: Path) -> str:
    """``error`` in one line, placed at the innermost line of the user's own code: ``app.py:12: NameError: …``."""
    text = str(error).partition("\n")[0]
    told = f"{type(error).__name__}: {text}" if text else type(error).__name__
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_shown(error.filename, directory)}:{error.lineno}: {type(error).__name__}: {error.msg}"
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if is_theirs(frame.filename)]
    if not theirs:
        return told
    return f"{_shown(theirs[-1].filename, directory)}:{theirs[-1].lineno}: {told}"


def is_theirs(filename: str) -> bool:
    """Whether a frame's file is the user's own: neither Python's, nor a library's, nor ours."""
    if filename.startswith("<"):
        return False
    path = Path(filename).resolve()
    # The demo lies in our package and is still an application like any other.
    if path.is_relative_to(_OURS):
        return path.is_relative_to(_OURS / "demo")
    return not any(path.is_relative_to(folder) for folder in _LIBRARIES)


def _shown(filename: str, directory: Path) -> str:
    path = Path(filename).resolve()
    return str(path.relative_to(directory)) if path.is_relative_to(directory) else str(path)
