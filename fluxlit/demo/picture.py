"""The demo's picture: hills under the sky of an hour. Needs Pillow, which Streamlit brings."""

from io import BytesIO
from math import cos, pi, sin

from PIL import Image, ImageDraw, ImageOps

WIDTH, HEIGHT = 720, 320
SUNRISE, SUNSET = 5, 20

_SCALE = 2  # Pillow draws without smoothing: paint larger, then shrink


def landscape(hour: int) -> bytes:
    """Paint the hills at ``hour`` (0 to 23) and return a PNG; the same hour gives the same bytes."""
    turn = pi * (hour - SUNRISE) / (SUNSET - SUNRISE)
    light = max(0.0, sin(turn)) if SUNRISE <= hour <= SUNSET else 0.0
    picture = _sky(light)
    draw = ImageDraw.Draw(picture)
    if SUNRISE <= hour <= SUNSET:
        _disc(draw, (360 - 300 * cos(turn), 230 - 170 * sin(turn)), 26, (255, 216, 120))
    else:
        _disc(draw, (582, 62), 22, (236, 236, 220))
    for layer in range(4):
        _hill(draw, layer, 0.25 + 0.75 * light)
    buffer = BytesIO()
    picture.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS).save(buffer, format="PNG")
    return buffer.getvalue()


def _sky(light: float) -> Image.Image:
    dusk = max(0.0, 1 - abs(light - 0.3) / 0.3)
    top = (int(18 + 62 * light), int(24 + 126 * light), int(60 + 160 * light))
    low = (
        int(30 + 150 * light + 75 * dusk),
        int(40 + 170 * light),
        int(80 + 150 * light - 30 * dusk),
    )
    shades = Image.linear_gradient("L").resize((WIDTH * _SCALE, HEIGHT * _SCALE))
    return ImageOps.colorize(shades, black=top, white=low)


def _disc(
    draw: ImageDraw.ImageDraw,
    centre: tuple[float, float],
    radius: float,
    colour: tuple[int, int, int],
) -> None:
    x, y = centre
    box = (x - radius, y - radius, x + radius, y + radius)
    draw.ellipse([edge * _SCALE for edge in box], fill=colour)


def _hill(draw: ImageDraw.ImageDraw, layer: int, light: float) -> None:
    base, wave = 190 + 34 * layer, 70 + 25 * layer
    crest = [(x, base + 20 * sin(x / wave + 2.1 * layer)) for x in range(0, WIDTH + 1, 4)]
    outline = [(0, HEIGHT), *crest, (WIDTH, HEIGHT)]
    green = (70 - 12 * layer, 150 - 22 * layer, 84 - 12 * layer)
    draw.polygon(
        [(x * _SCALE, y * _SCALE) for x, y in outline],
        fill=tuple(int(part * light) for part in green),
    )
