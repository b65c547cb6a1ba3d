"""The steps: each runs in an interpreter of its own, and knows the channels on its two sides."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import batched
from typing import Any

from allcores import Channel, ChannelPoisoned

BLOCK = 200  # lines that go together: a message costs about as much as a line's work

type Block = tuple[int, tuple[str, ...]]


def read(path: str, blocks: Channel[Block]) -> int:
    """Number the blocks of lines of a file; the number of lines."""
    count = 0
    with open(path, encoding="utf-8") as lines:
        for number, block in enumerate(batched(lines, BLOCK, strict=False)):
            blocks.push((number, block))
            count += len(block)
    blocks.close()
    return count


def transform(blocks: Channel[Block], results: Channel[Block]) -> int:
    """Any number of these at once; how many blocks this one had."""
    count = 0
    for number, block in blocks:
        results.push((number, tuple(map(summary, block))))
        count += 1
    return count


def summary(line: str) -> str:
    """From a JSON object with a text to one with its length and its three most frequent words."""
    article = json.loads(line)
    words = Counter(article["text"].lower().split())
    frequent = sorted(words.items(), key=lambda each: (-each[1], each[0]))[:3]
    return json.dumps({"title": article["title"], "words": words.total(), "frequent": frequent})


def write(results: Channel[Block], path: str) -> int:
    """In the order of the input, whichever block was ready first; the number of lines."""
    count = 0
    with open(path, "w", encoding="utf-8") as output:
        for block in in_order(results):
            output.writelines(f"{line}\n" for line in block)
            count += len(block)
    return count


def in_order(results: Channel[Block]) -> Iterator[tuple[str, ...]]:
    early = {}
    wanted = 0
    for number, block in results:
        early[number] = block
        while wanted in early:
            yield early.pop(wanted)
            wanted += 1


def step(function: Callable[..., int], *arguments: Any) -> int:
    """Run a step. When it fails, all others end too, through its channels."""
    try:
        return function(*arguments)
    except BaseException as error:
        for each in arguments:
            if isinstance(each, Channel):
                each.poison()
        if isinstance(error, ChannelPoisoned):
            return 0  # another one has failed, and says why
        raise
