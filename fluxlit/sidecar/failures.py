"""What happens when a page fails: the operator gets the traceback, the user a sentence.

Both carry the same reference, the id of the request that opened the browser's session (the gateway
gives each one and returns it as X-Request-ID), so that a user's report finds its log line.
"""

import os
import re
import sys
import traceback
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from types import TracebackType
from typing import NoReturn

import streamlit as st
from streamlit.errors import FragmentHandledException

from fluxlit.sidecar import variables
from fluxlit.target import is_theirs

PAGE_FAILED = "Something went wrong on this page. Reload it to try again."
UNLOADABLE = "This application could not be loaded."

_REFERENCE = re.compile(r"[A-Za-z0-9._:-]{1,128}")


@contextmanager
def guarded(sentence: str, *, where: str) -> Generator[None]:
    """Turn an exception of the block into a log entry and ``sentence`` for the user, and end the run.

    Reruns and stops are no Exceptions and pass; so does what a fragment has shown already.
    """
    try:
        yield
    except FragmentHandledException:
        raise
    except Exception as exc:  # noqa: BLE001 - whatever a user's page raises must not reach other users' eyes
        fail(exc, sentence, where=where)


def fail(error: BaseException, sentence: str, *, where: str) -> NoReturn:
    """Write ``error`` to standard error once, show ``sentence`` (in debug the error itself), end the run."""
    reference = _reference()
    error = error.with_traceback(_from_the_user_on(error.__traceback__))
    _log(error, f"{where}, request id {reference}")
    st.error(f"**{sentence}**\n\nReference: `{reference}`", icon=":material/error:")
    if os.environ.get(variables.DEBUG) == "true" and isinstance(error, Exception):
        st.exception(error)
    # Ending the run early tells Streamlit to keep the state of the widgets that were not reached.
    st.stop()


def _reference() -> str:
    given = st.context.headers.get("X-Request-ID") or ""
    return given if _REFERENCE.fullmatch(given) else uuid.uuid4().hex


def _log(error: BaseException, context: str) -> None:
    # In the last line, which is the one a folded traceback is summed up by; one write, because
    # several sessions run in threads and their lines would mix.
    text = "".join(traceback.format_exception(error)).rstrip()
    sys.stderr.write(f"{text} [{context}]\n")


def _from_the_user_on(trace: TracebackType | None) -> TracebackType | None:
    step = trace
    while step is not None and not is_theirs(step.tb_frame.f_code.co_filename):
        step = step.tb_next
    return step or trace
