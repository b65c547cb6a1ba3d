"""Whatever Hypothesis does with a Dict, beside a plain dict."""

import collections

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import allcores

atoms = st.one_of(
    st.integers(-3, 3),
    st.integers(),
    st.text(st.characters(), max_size=3),
    st.text(max_size=200),
    st.binary(max_size=3),
)
keys = st.one_of(
    st.sampled_from(["a", "b", 1, b"a", ("a", 1)]),
    st.recursive(atoms, lambda each: st.lists(each, max_size=3).map(tuple), max_leaves=4),
)
values = st.one_of(
    st.none(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=20),
    st.lists(st.integers(), max_size=3),
    st.lists(st.text(max_size=3), max_size=3).map(allcores.freeze),
)
missing = object()


class Unbounded(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.made = allcores.Dict()
        self.model = {}

    def get(self, key, default=None):
        return self.model.get(key, default)

    def put(self, key, value):
        self.model[key] = value

    @rule(key=keys, value=values)
    def set(self, key, value):
        self.made[key] = value
        self.put(key, value)

    @rule(key=keys)
    def look(self, key):
        assert (key in self.made) == (key in self.model)
        assert self.made.get(key, missing) == self.get(key, missing)

    @rule(key=keys, value=values)
    def setdefault(self, key, value):
        found = self.get(key, missing)
        assert self.made.setdefault(key, value) == (value if found is missing else found)
        if found is missing:
            self.put(key, value)

    @rule(key=keys, value=values)
    def add(self, key, value):
        assert self.made.add(key, value) == (key not in self.model)
        if key not in self.model:
            self.put(key, value)

    @rule(key=keys)
    def pop(self, key):
        assert self.made.pop(key, missing) == self.model.pop(key, missing)

    @rule(key=keys, expected=values, value=values)
    def compare_and_swap(self, key, expected, value):
        swaps = key in self.model and self.model[key] == expected
        assert self.made.compare_and_swap(key, expected, value) == swaps
        if swaps:
            self.put(key, value)

    @rule(key=keys, value=values)
    def swap_what_is_there(self, key, value):
        if key in self.model:
            assert self.made.compare_and_swap(key, self.model[key], value)
            self.put(key, value)

    @rule(key=keys, default=values)
    def update(self, key, default):
        value = self.model.get(key, default)
        assert self.made.update(key, lambda value: [value], default) == [value]
        self.put(key, [value])

    @precondition(lambda self: self.model)
    @rule()
    def popitem(self):
        key, value = self.made.popitem()
        assert self.model.pop(key) == value

    @precondition(lambda self: len(self.model) > 5)
    @rule()
    def clear(self):
        self.made.clear()
        self.model.clear()

    @rule(data=st.data())
    def in_the_other_interpreter(self, data):
        key, value = data.draw(keys), data.draw(values)
        worker.call(self.made.set, key, value)
        self.put(key, value)
        assert worker.call(self.made.get, key) == value

    @invariant()
    def the_same(self):
        assert len(self.made) == len(self.model)
        assert dict(self.made.items()) == self.model
        assert set(self.made) == set(self.model)


class Bounded(Unbounded):
    """The least recently used of so few is the very one."""

    most = 4

    def __init__(self):
        super().__init__()
        self.made = allcores.Dict(self.most)
        self.model = collections.OrderedDict()

    def get(self, key, default=None):
        if key in self.model:
            self.model.move_to_end(key)
        return self.model.get(key, default)

    def put(self, key, value):
        self.model[key] = value
        self.model.move_to_end(key)
        if len(self.model) > self.most:
            self.model.popitem(last=False)


class Expiring(Unbounded):
    """Entries that are gone after 10 s, by a clock that goes as it is told."""

    def __init__(self):
        super().__init__()
        self.made = allcores.Dict(ttl=10)
        self.now = 0
        self.ends = {}

    def put(self, key, value):
        super().put(key, value)
        self.ends[key] = self.now + 10

    @rule(key=keys, value=values, ttl=st.integers(1, 40))
    def set_with_ttl(self, key, value, ttl):
        self.made.set(key, value, ttl=ttl)
        self.put(key, value)
        self.ends[key] = self.now + ttl

    @rule(seconds=st.integers(1, 15))
    def wait(self, seconds):
        self.made._advance_clock(seconds)
        self.now += seconds
        for key in [key for key in self.model if self.ends[key] <= self.now]:
            del self.model[key]

    @invariant()
    def the_same(self):
        assert len(self.made) >= len(self.model)
        assert dict(self.made.items()) == self.model


worker = allcores.Interpreter("model")


def teardown_module():
    worker.destroy()


few = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestUnbounded = Unbounded.TestCase
TestUnbounded.settings = few
TestBounded = Bounded.TestCase
TestBounded.settings = few
TestExpiring = Expiring.TestCase
TestExpiring.settings = few
