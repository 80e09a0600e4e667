"""The applications that system tests serve."""

SMALL = """\
import anyio
from fastapi import Request
from fluxlit import FluxLit

app = FluxLit(title="Small")


@app.api.get("/ping")
async def ping(request: Request):
    return {
        "client": request.client.host,
        "scheme": request.url.scheme,
        "host": request.headers.get("host"),
        "root_path": request.scope["root_path"],
        "url": str(request.url_for("ping")),
        "headers": dict(request.headers),
    }


@app.api.get("/slow")
async def slow(seconds: float = 1.0):
    print("slow has begun", flush=True)
    await anyio.sleep(seconds)
    return {"slept": seconds}


@app.api.get("/item/{name:path}")
async def item(name: str, request: Request):
    return {"name": name, "raw": request.scope["raw_path"].decode("latin-1")}


@app.page("/", title="Home")
def home(st, client):
    st.header("Small home")
    st.write("ping says", client.get("/ping").json()["scheme"])
"""

BIG = """\
import pandas
from fluxlit import FluxLit

app = FluxLit(title="Big")


@app.page("/", title="Home")
def home(st):
    st.dataframe(pandas.DataFrame({c: range(60_000) for c in "abcd"}))
    st.header("Big done")
"""

LEAVES_CHILDREN = (
    SMALL
    + """

@app.page("/children", title="Children")
def children(st):
    import subprocess

    subprocess.Popen(["sleep", "600"])
    subprocess.Popen(["sleep", "600"], start_new_session=True)
    st.header("two are running")
"""
)

PLACES = """\
import os

import numpy
from fluxlit import FluxLit

app = FluxLit(title="Places")


@app.page("/", title="Home")
def home(st):
    runs = st.session_state["runs"] = st.session_state.get("runs", 0) + 1
    file = st.file_uploader("file")
    st.text(f"pid={os.getpid()} runs={runs} file={file.read().decode() if file else None}")
    seed = abs(hash(st.session_state.setdefault("seed", os.urandom(8)))) % 2**32
    picture = numpy.random.default_rng(seed).integers(0, 255, (8, 8, 3), dtype="uint8")
    st.image(picture, output_format="PNG")
"""
