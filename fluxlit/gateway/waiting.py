"""The page a person sees instead of the application while it cannot answer."""

from html import escape

POLICY = b"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="refresh" content="{seconds}">
<title>{title}</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; margin: 0; min-height: 100vh;
  display: grid; place-items: center; background: Canvas; color: CanvasText }}
main {{ max-width: 32rem; padding: 2rem; text-align: center }}
h1 {{ font-size: 1.25rem }}
</style>
</head>
<body>
<main role="status">
<h1>{title}</h1>
<p>{detail}</p>
<p>This page asks again every {seconds} s by itself.</p>
</main>
</body>
</html>
"""


def page(title: str, detail: str, seconds: int) -> bytes:
    """A whole page without anything from elsewhere that asks again after ``seconds``.

    It reloads by a meta element, not by script: it works where scripts are blocked.
    """
    text = _PAGE.format(title=escape(title), detail=escape(detail), seconds=seconds)
    return text.encode("utf-8")
