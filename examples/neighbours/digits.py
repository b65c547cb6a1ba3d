"""The points to search in: handwritten digits, as bytes that any interpreter can view as arrays.

scikit-learn brings 1,797 of them, 8 by 8 pixels of 0 (paper) to 16 (ink), so each is a point with
64 coordinates. Here they are also moved by a pixel in each direction and drawn fainter.

Neither NumPy nor scikit-learn is imported for that: this runs in the main interpreter, which serves
no requests and so needs neither.
"""

import gzip
import importlib.util
from array import array
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

SIDE = 8
PIXELS = SIDE * SIDE
INK = 16

ORIGINALS = 1797
STEPS = (0, -1, 1)
STRENGTHS = (16, 14, 12, 10)  # sixteenths
USUAL = ORIGINALS * len(STEPS) ** 2
MOST = USUAL * len(STRENGTHS)

HELP = "install what examples need: ./py -m pip install -r tools/requirements-examples.txt"


class Missing(Exception):
    """A package or its file is not there; the text is the whole message, on one line."""


def load(count: int) -> dict[str, bytes]:
    """The first `count` points: "pixels", of 64 float64 each, and "labels", a byte each."""
    images, labels = read()
    chosen = b"".join(islice(varied(images), count))
    repeated = labels * -(-count // len(labels))
    return {"pixels": array("d", iter(chosen)).tobytes(), "labels": repeated[:count]}


def read() -> tuple[list[bytes], bytes]:
    """The images that come with scikit-learn, and which digit each is of."""
    for module, name in (("numpy", "NumPy"), ("sklearn", "scikit-learn")):
        if importlib.util.find_spec(module) is None:
            raise Missing(f"{name} is not installed for this Python; {HELP}")
    spec = importlib.util.find_spec("sklearn")
    assert spec is not None and spec.submodule_search_locations is not None
    path = Path(spec.submodule_search_locations[0]) / "datasets" / "data" / "digits.csv.gz"
    try:
        with gzip.open(path, "rt") as file:
            rows = [line.split(",") for line in file]
        images = [bytes(int(float(value)) for value in row[:PIXELS]) for row in rows]
        labels = bytes(int(float(row[PIXELS])) for row in rows)
    except (OSError, ValueError, IndexError) as error:
        raise Missing(f"scikit-learn's digits can't be read: {path}: {error}") from error
    return images, labels


def varied(images: list[bytes]) -> Iterator[bytes]:
    """The images as they are, then all moved, then all fainter: in this order."""
    for strength in STRENGTHS:
        fainter = bytes(min(value, INK) * strength // 16 for value in range(256))
        for down in STEPS:
            for right in STEPS:
                for image in images:
                    yield moved(image, right, down).translate(fainter)


def moved(image: bytes, right: int, down: int) -> bytes:
    """The image moved by so many pixels, 1 at most; what comes in from outside is paper."""
    if right:
        rows = [image[start : start + SIDE] for start in range(0, PIXELS, SIDE)]
        image = b"".join(b"\0" + row[:-1] if right > 0 else row[1:] + b"\0" for row in rows)
    if down:
        paper = bytes(SIDE)
        image = paper + image[:-SIDE] if down > 0 else image[SIDE:] + paper
    return image
