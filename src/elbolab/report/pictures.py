"""The runs' figures as images inside the page."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, final

from PIL import Image

from elbolab.report.rows import Row

WIDTH = 900
"""Pixels; wider figures are made smaller."""

QUALITY = 80
"""Of WebP, which every browser of the last years reads: a fifth of the PNG."""

DRAWN_BY_PAGE = ("loss_curves", "kl_per_dim", "rate_distortion")
"""Figures that the page draws itself, from the numbers."""


@final
class Picture(NamedTuple):
    """A figure of one run of a configuration, ``group``; ``source`` is a data URI, sizes are in pixels."""

    group: int
    run: str
    source: str
    width: int
    height: int


def embed_pictures(rows: Sequence[Row], most: int) -> tuple[dict[str, list[Picture]], int, int]:
    """The figures by name, of ``most`` runs, of which one of every configuration comes first.

    Beside them how many runs they are of, and how many have some.
    """
    entries = [(number, entry) for number, row in enumerate(rows) for entry in row.entries]
    runs = [(number, entry) for number, entry in entries if any((entry.folder / "figures").glob("*.png"))]
    first = {number: entry for number, entry in reversed(runs)}
    selection = [*sorted(first.items()), *(pair for pair in runs if pair[1] is not first[pair[0]])][:most]
    pictures: dict[str, list[Picture]] = {}
    for number, entry in sorted(selection, key=lambda pair: pair[0]):
        for path in sorted((entry.folder / "figures").glob("*.png")):
            if path.stem not in DRAWN_BY_PAGE and (image := _embed(path)) is not None:
                pictures.setdefault(path.stem, []).append(Picture(number, entry.name, *image))
    return pictures, len(selection), len(runs)


def _embed(path: Path) -> tuple[str, int, int] | None:
    """The image as a data URI with its size in pixels; None of a file that is no image, or not yet."""
    try:
        image = Image.open(path).convert("RGB")
    except OSError:
        return None
    if image.width > WIDTH:
        image = image.resize((WIDTH, round(image.height * WIDTH / image.width)), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    image.save(out, "WEBP", quality=QUALITY, method=4)
    return f"data:image/webp;base64,{base64.b64encode(out.getvalue()).decode()}", image.width, image.height
