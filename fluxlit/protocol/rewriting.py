"""What a service's answer says about places: Location and cookies, fitted to the public side; pure.

The sidecar knows neither the mount below which the browser finds it nor that TLS ends in front.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

from fluxlit.protocol.headers import Header, Headers

COOKIES = b"_streamlit_"
XSRF_COOKIE = b"_streamlit_xsrf"


@dataclass(frozen=True, slots=True)
class Site:
    """Where the browser finds the application: scheme, host with port, and mount ("" or "/a/b")."""

    scheme: str
    host: str
    mount: str = ""


def fit(headers: Headers, *, site: Site, upstream: str) -> list[Header]:
    """The answer's fields with Location and the sidecar's own cookies fitted to ``site``.

    ``upstream`` is the service's own ``host:port``, which no client must be sent to.
    """
    return [_fitted(name, value, site, upstream) for name, value in headers]


def _fitted(name: bytes, value: bytes, site: Site, upstream: str) -> Header:
    if name == b"location":
        return name, location(value, site=site, upstream=upstream)
    if name == b"set-cookie":
        return name, cookie(value, site=site)
    return name, value


def location(value: bytes, *, site: Site, upstream: str) -> bytes:
    """A Location that the client can follow.

    A path on the service becomes the path below the mount. A URL of the service itself, under its
    own address or under the public one that it was told as Host, becomes such a path as well. All
    else (other hosts, relative references, what is below the mount already) stays.
    """
    text = value.decode("latin-1")
    if text.startswith("/") and not text.startswith(("//", "/\\")):
        return _below(site.mount, text)
    try:
        parts = urlsplit(text)
        ours = parts.netloc.lower() in {upstream.lower(), site.host.lower()}
    except ValueError:
        return value
    if parts.scheme not in {"http", "https"} or not ours:
        return value
    path = parts._replace(scheme="", netloc="").geturl() or "/"
    public = parts.netloc.lower() == site.host.lower()
    if public and (parts.path == site.mount or parts.path.startswith(f"{site.mount}/")):
        return path.encode("latin-1")
    return _below(site.mount, path)


def _below(mount: str, path: str) -> bytes:
    slash = "" if path.startswith("/") else "/"
    return f"{mount}{slash}{path}".encode("latin-1")


def cookie(value: bytes, *, site: Site) -> bytes:
    """A Set-Cookie of the sidecar with Secure on https and Path at the mount; others stay.

    Streamlit sets Secure only when it does TLS itself, and Path=/ because it does not know the
    mount. The XSRF cookie stays at ``/``, as Streamlit has it below a base path too: two
    applications on one host share it, and a second one at another path would make the header and
    the cookie of an upload differ.
    """
    name = value.partition(b"=")[0].strip()
    if not name.startswith(COOKIES):
        return value
    parts = value.split(b";")
    attributes = [part.strip().lower() for part in parts[1:]]
    if site.mount and name != XSRF_COOKIE:
        moved = b" Path=" + site.mount.encode("latin-1")
        parts[1:] = [moved if part.strip().lower() == b"path=/" else part for part in parts[1:]]
    if site.scheme == "https" and b"secure" not in attributes:
        parts.append(b" Secure")
    return b";".join(parts)
