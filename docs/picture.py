"""Make the README's picture from the demo's: `make demo && python docs/picture.py demo_out/overview.png`.

Narrower and with a palette, so that it stays a small file. The palette is taken from colours and greys apart: in one go the
shaded relief would get all of it and the path's colours none. Needs Pillow, which matplotlib brings along.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

TARGET = Path(__file__).resolve().parent / "images" / "overview.png"
WIDTH, COLOURS, GREYS = 1500, 160, 96
COLOURFUL = 24  # difference of the channels from which on a pixel has a colour
NEARLY_WHITE = 248


def palette(picture: Image.Image) -> Image.Image:
    """An image that carries the palette: colours of the coloured pixels, and even greys."""
    pixels = np.asarray(picture).reshape(-1, 3)
    coloured = pixels[np.ptp(pixels.astype(int), axis=1) > COLOURFUL]
    row = Image.fromarray(coloured[None, :, :]).quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, kmeans=3)
    colours = (row.getpalette() or [])[: 3 * COLOURS]
    colours += [0] * (3 * COLOURS - len(colours))
    greys = np.repeat(np.linspace(0, 255, GREYS).round().astype(int), 3).tolist()
    holder = Image.new("P", (1, 1))
    holder.putpalette(colours + greys)
    return holder


def reduce(source: Path, target: Path) -> int:
    """Write the small picture; returns its size in bytes."""
    picture = Image.open(source).convert("RGB")
    small = picture.resize((WIDTH, round(picture.height * WIDTH / picture.width)), Image.Resampling.LANCZOS)
    indexed = small.quantize(palette=palette(small), dither=Image.Dither.NONE)
    entries = np.array(indexed.getpalette()).reshape(-1, 3)
    entries[entries.min(axis=1) > NEARLY_WHITE] = 255  # the search for the nearest entry is coarse, and paper must be white
    indexed.putpalette(entries.ravel().tolist())
    indexed.save(target, optimize=True)
    return target.stat().st_size


if __name__ == "__main__":
    print(f"{TARGET.name}: {reduce(Path(sys.argv[1]), TARGET)} bytes")
