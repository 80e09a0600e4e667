"""The environment variables through which the supervisor tells the sidecar what it must know."""

APP = "FLUXLIT_APP"
"""The target; a file's path is absolute."""

API_PREFIX = "FLUXLIT_API_PREFIX"
"""Path of the API below the public root, e.g. ``/api``."""

API_BASE = "FLUXLIT_INTERNAL_API_BASE"
"""The address at which pages reach the API, prefix included."""

DEBUG = "FLUXLIT_DEBUG"
"""``true`` when users may see the details of errors."""

TITLE = "FLUXLIT_TITLE"
"""The configured title, used where the application gives none."""

COOKIES_SIGNED_BY = "STREAMLIT_SERVER_COOKIE_SECRET"
"""Streamlit's own option for what signs the cookies of a login."""
