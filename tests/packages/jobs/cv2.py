"""Pictures: colours, filters, edges, PNG there and back, an error.

Its stable ABI is that of Python 3.7, whose extensions count references to frozen objects.
"""

import cv2
import numpy as np

import allcores


def work() -> object:
    picture = (np.arange(64 * 64 * 3) % 251).astype(np.uint8).reshape(64, 64, 3)
    for _ in range(5):
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        edges = cv2.Canny(cv2.GaussianBlur(grey, (5, 5), 0), 10, 50)
    _, png = cv2.imencode(".png", picture)
    assert (cv2.imdecode(png, cv2.IMREAD_COLOR) == picture).all()
    try:
        cv2.resize(np.empty((0, 0)), (0, 0))
    except cv2.error as error:
        code = error.code
    for _ in range(100):
        assert not cv2.haveImageReader(allcores.freeze({"path": "/nowhere at all"})["path"])
    spectrum = cv2.dft(np.float32(grey))
    return int(edges.sum()), code, round(float(abs(spectrum).max()))
