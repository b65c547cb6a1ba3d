"""What is frozen and served: the index, the pages with their figures filled in, the source."""

import os
from pathlib import Path
from typing import Any

import routes
import titles
from progress import amount

FOLDER = Path(__file__).resolve().parent


def data_for(
    index: titles.Index, source: Path, content_type: str, name: str, hint: str
) -> dict[str, Any]:
    """Everything the handlers need, ready to be frozen."""
    facts = {
        "name": routes.escape(name),
        "count": f"{titles.count(index):,}",
        "source": routes.escape(source.name if "xml" in content_type else name),
        "size": amount(source.stat().st_size),
        "hint": hint,
    }
    return {
        "index": index,
        "path": os.fspath(source),
        "content_type": content_type,
        "facts": {
            "titles": titles.count(index),
            "index_bytes": sum(map(len, index)),
            "source_bytes": source.stat().st_size,
        },
        "page": routes.fill((FOLDER / "page.html").read_text("utf-8"), facts),
        "stats": routes.fill((FOLDER / "stats.html").read_text("utf-8"), facts),
        "static": {file: (FOLDER / file).read_text("utf-8") for file in routes.STATIC},
    }
