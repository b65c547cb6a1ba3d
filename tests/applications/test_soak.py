"""The soak in short: FastAPI and Django under clients of every kind, while workers are replaced."""

from __future__ import annotations

import soak


def test_soak() -> None:
    soak.soak(seconds=10, reload_every=6, workers=2, names=["fastapi", "django"])
