"""A small tea shop: two API routes and two pages that use them; what `fluxlit demo` serves."""

import hashlib
from datetime import UTC, datetime
from statistics import fmean
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, Field

from fluxlit import ApiClient, FluxLit

app = FluxLit(
    title="FluxLit demo",
    fastapi_kwargs={
        "description": "The API beside the demo's pages. Try it out: it is the same port."
    },
    streamlit_page_config={"page_icon": "🫖", "layout": "centered"},
)


class Item(BaseModel):
    """One tea of the shop; ``price`` is in euros for 100 g."""

    name: str
    origin: str
    price: float
    minutes: int


class Selection(BaseModel):
    """An answer of ``/items``."""

    items: list[Item]
    total: int
    served_at: datetime


class Values(BaseModel):
    """The numbers to describe."""

    values: Annotated[list[float], Field(min_length=1, max_length=1000)]


class Stats(BaseModel):
    """What ``/stats`` says of some numbers."""

    count: int
    mean: float
    least: float
    most: float


TEAS = [
    Item(name="Assam", origin="India", price=5.2, minutes=4),
    Item(name="Darjeeling", origin="India", price=8.9, minutes=3),
    Item(name="Earl Grey", origin="England", price=4.8, minutes=4),
    Item(name="Genmaicha", origin="Japan", price=7.4, minutes=2),
    Item(name="Gunpowder", origin="China", price=4.1, minutes=3),
    Item(name="Lapsang Souchong", origin="China", price=6.6, minutes=4),
    Item(name="Rooibos", origin="South Africa", price=3.9, minutes=6),
    Item(name="Sencha", origin="Japan", price=9.5, minutes=2),
]


@app.api.get("/items")
def items(limit: Annotated[int, Query(ge=1, le=100)] = 5) -> Selection:
    """List the first teas by name, at most ``limit`` of them."""
    return Selection(items=TEAS[:limit], total=len(TEAS), served_at=datetime.now(UTC))


@app.api.post("/stats")
def stats(body: Values) -> Stats:
    """Describe a list of numbers."""
    return Stats(
        count=len(body.values),
        mean=fmean(body.values),
        least=min(body.values),
        most=max(body.values),
    )


@app.page("/", title="Tea shop", icon="🍵")
def shop(st: Any, client: ApiClient) -> None:  # noqa: ANN401 - Streamlit itself
    """Widgets that rerun the page and ask the API."""
    st.title("The tea shop")
    st.write("The page is Streamlit, its data comes from FastAPI, and both share one port.")

    limit = st.slider("How many teas?", min_value=1, max_value=len(TEAS), value=5)
    selection = client.get_model("/items", Selection, params={"limit": limit})
    prices = Values(values=[item.price for item in selection.items])
    summary = client.post_model("/stats", Stats, body=prices)

    count, mean, least = st.columns(3)
    count.metric("Teas", f"{summary.count} of {selection.total}")
    mean.metric("Mean price", f"{summary.mean:.2f} €")
    least.metric("Cheapest", f"{summary.least:.2f} €")
    st.table(
        [
            {
                "Tea": item.name,
                "Origin": item.origin,
                "€ / 100 g": f"{item.price:.2f}",
                "Brewing": f"{item.minutes} min",
            }
            for item in selection.items
        ]
    )
    st.caption(
        f"Answered by `/api/items` at {selection.served_at:%H:%M:%S} UTC. The API describes itself at `/api/docs`."
    )

    st.subheader("Cups poured")
    if st.button("Pour a cup", icon=":material/water_drop:", type="primary"):
        st.session_state.cups = st.session_state.get("cups", 0) + 1
    cups = st.session_state.get("cups", 0)
    st.write(f"You have poured **{cups}** {'cup' if cups == 1 else 'cups'} in this session.")


@app.page("/files", title="Files and pictures", icon="📁")
def files(st: Any, client: ApiClient) -> None:  # noqa: ANN401
    """An upload through the gateway, and a picture that Streamlit serves from ``/media``."""
    # Imported here: the daemon imports this module too, for its API only.
    from fluxlit.demo.picture import landscape  # noqa: PLC0415

    st.title("Files and pictures")
    st.write("Large uploads, pictures and downloads pass through the same port as everything else.")

    st.subheader("Upload")
    upload = st.file_uploader(
        "Choose a file; it stays in memory and is forgotten with your session"
    )
    if upload is not None:
        _describe(st, upload)

    st.subheader("Picture")
    everything = client.get_model("/items", Selection, params={"limit": len(TEAS)})
    origins = sorted({item.origin for item in everything.items})
    where = st.selectbox("Tea hills of", origins, index=origins.index("Japan"))
    hour = st.slider("Hour of the day", min_value=0, max_value=23, value=18, format="%d:00")
    st.image(
        landscape(hour),
        caption=f"Tea hills of {where} at {hour}:00, painted on the server, served from /media",
    )


def _describe(st: Any, upload: Any) -> None:  # noqa: ANN401
    content = upload.getvalue()
    st.success(
        f"Received **{upload.name}**: {len(content):,} bytes, {upload.type or 'unknown type'}",
        icon=":material/check_circle:",
    )
    st.caption("SHA-256")
    st.code(hashlib.sha256(content).hexdigest(), language=None)
    st.download_button(
        "Download it again", content, file_name=upload.name, icon=":material/download:"
    )
