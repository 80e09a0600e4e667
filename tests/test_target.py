"""The target: parsing, importing, and every way in which a user's module can be wrong."""

import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fluxlit.app import FluxLit
from fluxlit.errors import ExitStatus, TargetError
from fluxlit.target import Target, absolute, load, load_app, parse

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Iterator[Write]:
    """Write a user's module below a fresh folder; what was imported from there is forgotten after the test."""
    path, modules = list(sys.path), set(sys.modules)

    def write_module(name: str, text: str) -> Path:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
        return file

    yield write_module
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.parametrize(
    ("text", "source", "attribute"),
    [
        ("shop.main:app", "shop.main", "app"),
        ("shop:site.app", "shop", "site.app"),
        ("shop", "shop", "app"),
    ],
)
def test_a_module_target_is_a_dotted_name_and_an_attribute(
    text: str, source: str, attribute: str, tmp_path: Path
) -> None:
    """The attribute may be dotted and is app when left out."""
    assert parse(text, tmp_path) == Target(source, attribute)


@pytest.mark.parametrize("text", ["./ui/main.py:site", "ui/main.py:site"])
def test_a_file_target_is_made_absolute(text: str, tmp_path: Path) -> None:
    """The sidecar must find the same file whatever its working directory is."""
    assert parse(text, tmp_path) == Target(tmp_path / "ui/main.py", "site")
    assert absolute(text, tmp_path) == f"{tmp_path}/ui/main.py:site"


def test_a_module_target_stays_as_it_is(tmp_path: Path) -> None:
    """A module is found by name, not by place."""
    assert absolute("shop.main:app", tmp_path) == "shop.main:app"


@pytest.mark.parametrize(
    "text", ["", ":", "app:", ":app", "my-app:app", "app:my-app", "app:a..b", "a b:app"]
)
def test_what_is_no_target_is_refused(text: str, tmp_path: Path) -> None:
    """A typing mistake is told as such, not as a missing module."""
    with pytest.raises(TargetError, match=r"expected e\.g\. app:app"):
        parse(text, tmp_path)


def test_a_module_is_imported_from_the_directory(write: Write, tmp_path: Path) -> None:
    """The working directory is on the path, dotted attributes are followed."""
    write("shop_a/__init__.py", "")
    write("shop_a/main.py", "class site:\n    app = 41\n")
    assert load("shop_a.main:site.app", tmp_path) == 41


def test_a_file_is_imported_with_its_folder_first_on_the_path(write: Write, tmp_path: Path) -> None:
    """Modules beside the file are found, and they may import the file's module back by its name."""
    write("ui/main_b.py", "app = []\nimport beside_b\n")
    write("ui/beside_b.py", "from main_b import app\napp.append('seen')\n")
    assert load("./ui/main_b.py:app", tmp_path) == ["seen"]


def test_a_second_load_imports_nothing_anew(write: Write, tmp_path: Path) -> None:
    """Every rerun of a page must see the same objects."""
    write("main_c.py", "app = object()\n")
    assert load("./main_c.py:app", tmp_path) is load("./main_c.py:app", tmp_path)
    assert load("main_c:app", tmp_path) is load("./main_c.py:app", tmp_path)


def test_a_file_named_like_a_library_hides_it_from_nobody(write: Write, tmp_path: Path) -> None:
    """`calendar.py` is a fair name for an application."""
    import calendar  # noqa: PLC0415

    write("calendar.py", "app = 'mine'\n")
    assert load("./calendar.py:app", tmp_path) == "mine"
    assert load("./calendar.py:app", tmp_path) == "mine"
    assert sys.modules["calendar"] is calendar


def test_two_threads_import_once_and_neither_sees_half_a_module(
    write: Write, tmp_path: Path
) -> None:
    """Two browser sessions may be the first at the same moment."""
    write(
        "main_d.py",
        "import threading\nimported = threading.Event()\nfor _ in range(20_000): pass\napp = object()\n",
    )
    gate, found = threading.Barrier(4), list[object]()

    def first() -> None:
        gate.wait()
        found.append(load("./main_d.py:app", tmp_path))

    threads = [threading.Thread(target=first) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(map(id, found))) == 1


def refusal(target: str, directory: Path) -> str:
    """The message of the TargetError that loading ``target`` raises."""
    with pytest.raises(TargetError) as caught:
        load_app(target, directory)
    assert caught.value.exit_status is ExitStatus.CONFIG
    return str(caught.value)


def test_an_error_at_import_is_told_in_one_line_at_the_users_own_line(
    write: Write, tmp_path: Path
) -> None:
    """File, line, type and message; no traceback."""
    write("main_e.py", "import os\n\napp = undefined_name\n")
    assert (
        refusal("main_e:app", tmp_path)
        == "main_e.py:3: NameError: name 'undefined_name' is not defined"
    )


def test_the_innermost_frame_of_the_user_counts_not_the_librarys(
    write: Write, tmp_path: Path
) -> None:
    """The frames of json itself say nothing to the user; the line that called it does."""
    write("main_f.py", "import helper_f\n")
    write("helper_f.py", "import json\n\n\ndef read():\n    return json.loads('{')\n\n\nread()\n")
    assert refusal("main_f:app", tmp_path).startswith("helper_f.py:5: JSONDecodeError: ")


def test_a_syntax_error_has_its_file_and_line(write: Write, tmp_path: Path) -> None:
    """The place is the mistake's, also in a module that the target imports."""
    write("main_g.py", "import helper_g\n")
    write("helper_g.py", "x = 1\nprint((1, 2)\n")
    assert refusal("main_g:app", tmp_path) == "helper_g.py:2: SyntaxError: '(' was never closed"


def test_a_missing_import_of_the_user_is_placed_in_the_users_file(
    write: Write, tmp_path: Path
) -> None:
    """It is not the target that is missing."""
    write("main_h.py", "import no_such_library_h\n")
    assert (
        refusal("main_h:app", tmp_path)
        == "main_h.py:1: ModuleNotFoundError: No module named 'no_such_library_h'"
    )


def test_an_exit_at_import_is_an_error_like_others(write: Write, tmp_path: Path) -> None:
    """sys.exit() in a module must not end the daemon with a status of its own."""
    write("main_i.py", "raise SystemExit('no database')\n")
    assert refusal("main_i:app", tmp_path) == "main_i.py:1: SystemExit: no database"


def test_a_missing_module_names_the_folder_and_the_nearest_name(
    write: Write, tmp_path: Path
) -> None:
    """Most often it is a typing mistake or the wrong directory."""
    write("dashboard.py", "")
    assert (
        refusal("dashbord:app", tmp_path)
        == f"no module named 'dashbord' in {tmp_path}; did you mean 'dashboard'?"
    )
    assert (
        refusal("./dashbord.py:app", tmp_path)
        == f"no file {tmp_path}/dashbord.py; did you mean 'dashboard'?"
    )


def test_a_missing_submodule_is_named_in_full(write: Write, tmp_path: Path) -> None:
    """The package is there, what is missing is inside."""
    write("pack_j/__init__.py", "")
    assert refusal("pack_j.main:app", tmp_path) == f"no module named 'pack_j.main' below {tmp_path}"


def test_a_missing_attribute_suggests_the_application_there_is(
    write: Write, tmp_path: Path
) -> None:
    """Whatever it is called, a FluxLit object is what was meant."""
    write("main_k.py", "from fluxlit import FluxLit\napq = 1\nsite = FluxLit()\n")
    assert refusal("main_k:app", tmp_path) == "main_k has no attribute 'app'; did you mean 'site'?"


@pytest.mark.parametrize(
    ("value", "described"),
    [
        ("{}", "an object of type dict"),
        ("FluxLit", "the class FluxLit"),
        ("lambda: 1", "the function <lambda>()"),
    ],
)
def test_another_type_of_object_is_refused(
    value: str, described: str, write: Write, tmp_path: Path
) -> None:
    """The message says what was found and what is wanted."""
    write("main_l.py", f"from fluxlit import FluxLit\napp = {value}\n")
    assert refusal("main_l:app", tmp_path) == (
        f"target 'main_l:app' is {described}, expected a FluxLit object, e.g. app = FluxLit()"
    )


def test_a_page_under_the_path_of_the_api_is_refused(write: Write, tmp_path: Path) -> None:
    """A hard load of that page would always reach the API."""
    write(
        "main_m.py",
        "from fluxlit import FluxLit\napp = FluxLit()\napp.page('/backend')(lambda: None)\n",
    )
    assert isinstance(load_app("main_m:app", tmp_path), FluxLit)
    with pytest.raises(TargetError, match="'/backend' has the path of the API"):
        load_app("main_m:app", tmp_path, api_prefix="/backend")


def test_the_users_error_is_kept_for_debugging(write: Write, tmp_path: Path) -> None:
    """--debug shows the whole traceback."""
    write("main_n.py", "1 / 0\n")
    with pytest.raises(TargetError) as caught:
        load("main_n:app", tmp_path)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_failed_import_leaves_nothing_behind_and_may_be_tried_again(
    write: Write, tmp_path: Path
) -> None:
    """What failed for want of a database may succeed later."""
    file = write("main_o.py", "1 / 0\n")
    with pytest.raises(TargetError):
        load("./main_o.py:app", tmp_path)
    file.write_text("app = 'mended'\n")
    assert load("./main_o.py:app", tmp_path) == "mended"
