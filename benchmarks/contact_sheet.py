"""One PNG with the previews of all real image and geometry files: ``python -m benchmarks.contact_sheet sheet.png``.

Made to be looked at: each picture the right way up and in plausible colours. Files that fail are shown as their
error.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import numpy as np

from benchmarks.regions import CORPUS, ROOT
from sparc_fuse_core import FuseError, preview

WIDTH, HEIGHT, COLUMNS = 300, 220, 8


def pictures(only: str = "imaging/") -> list[tuple[str, np.ndarray]]:
    """Name and picture (y, x, 3) of each real file below a folder of the corpus."""
    rows = tomllib.loads((ROOT / "tests" / "corpus.toml").read_text("utf-8"))["file"]
    found = []
    for row in rows:
        path = CORPUS / row["path"]
        if row["path"].startswith(only) and "part_of" not in row and row["expect"] == "ok" and path.is_file():
            found.append((row["path"].removeprefix(only), _picture(path)))
    return found


def _picture(path: Path) -> np.ndarray:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    try:
        figure = preview(path)
    except FuseError as error:
        figure = Figure()
        figure.text(0.05, 0.5, error.sentence(), wrap=True, color="#b3541e", fontsize=14)
    figure.set_size_inches(WIDTH / 50, HEIGHT / 50)
    figure.set_dpi(50)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def sheet(held: list[tuple[str, np.ndarray]]) -> np.ndarray:
    """All pictures in rows, each under its name."""
    from PIL import Image, ImageDraw

    rows = -(-len(held) // COLUMNS)
    page = Image.new("RGB", (COLUMNS * WIDTH, rows * (HEIGHT + 16)), "white")
    pen = ImageDraw.Draw(page)
    for number, (name, picture) in enumerate(held):
        left, top = number % COLUMNS * WIDTH, number // COLUMNS * (HEIGHT + 16)
        page.paste(Image.fromarray(picture).resize((WIDTH, HEIGHT)), (left, top + 16))
        pen.text((left + 4, top + 2), name[-46:], fill="black")
    return np.asarray(page)


def main() -> None:
    from PIL import Image

    Image.fromarray(sheet(pictures(*sys.argv[2:3]))).save(sys.argv[1])


if __name__ == "__main__":
    main()
