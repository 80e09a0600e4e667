"""The waiting page."""

from html.parser import HTMLParser

from fluxlit.gateway.waiting import page


class Outline(HTMLParser):
    """Collects tags and attributes that name places."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.places: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the tag."""
        self.tags.append(tag)
        self.places += [value or "" for name, value in attrs if name in {"src", "href"}]


def test_the_page_is_whole_and_loads_nothing() -> None:
    """No scripts, no images, no links: it works where all of them are blocked."""
    outline = Outline()
    outline.feed(page("Title & more", "Detail", 3).decode())
    assert not outline.places
    assert "script" not in outline.tags
    assert {"html", "head", "title", "main", "h1"} <= set(outline.tags)


def test_what_it_says_is_escaped() -> None:
    """A detail may hold anything."""
    assert b"<i>" not in page("<i>", "<i>", 1)
