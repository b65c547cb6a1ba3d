"""Handlers of a server that use what crosses by pointer."""

import gc
import json

import pytest
from servers import serving

import allcores
from allcores import _core, _functions


def twice(made):
    return lambda: (made, made)


def test_what_is_kept_goes_with_its_owner():
    owner = bytearray(b"memory")
    made = allcores.Dict()
    made["view"] = allcores.view(owner)
    kept = _functions.Kept()
    data = _functions.dumps(twice(made), kept)
    assert len(kept.numbers) == 1
    for _ in range(2):
        assert _functions.loads(data)() == (made, made)
    number = kept.numbers[0]
    assert _core._kept(number) == made
    del made, kept
    gc.collect()
    owner.append(1)  # nobody has a view of it any more
    with pytest.raises(KeyError, match="is gone"):
        _core._kept(number)
    with pytest.raises(KeyError, match="is gone"):
        _functions.loads(data)
    for call in (_core._kept, _core._forget):
        with pytest.raises(TypeError):
            call("1")
    _core._forget(number)


HANDLER = """
seen, asked, jobs = allcores.Dict(), allcores.Counter(), allcores.Channel()

def handler(request):
    asked.increment()
    seen.update(request.path, lambda n: n + 1, 0)
    jobs.push(request.path)
    if request.path == "/sum":
        return {"asked": asked.value, "seen": dict(seen.items()), "jobs": len(jobs)}
    return "fine"
"""


def test_all_workers_have_the_same_ones():
    with serving("handler, workers=2", HANDLER) as server:
        for _ in range(20):
            assert server.get("/page")[0].status == 200
        found = json.loads(server.get("/sum")[1])
        assert found == {"asked": 21, "seen": {"/page": 20, "/sum": 1}, "jobs": 21}
        assert server.end() == 0
        assert server.stderr() == ""
