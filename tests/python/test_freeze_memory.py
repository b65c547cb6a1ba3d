"""The memory of frozen data: counted, bounded, and what happens when there is none left."""

from programs import run_alone

from allcores import _core, freeze


def test_memory_is_counted_and_bounded():
    before = _core.frozen_bytes()
    frozen = freeze([float(i) for i in range(100_000)])
    size = _core.frozen_bytes() - before
    assert 100_000 * 32 <= size <= 100_000 * 48 + 2**16
    assert len(frozen) == 100_000


def test_out_of_memory_leaves_nothing_behind():
    run_alone("""
        import resource
        import allcores
        from allcores import _core
        small = allcores.freeze([1.5] * 10)
        data = [float(i) for i in range(2_000_000)]
        used = _core.frozen_bytes()
        resource.setrlimit(resource.RLIMIT_DATA, (150 << 20, resource.RLIM_INFINITY))
        for _ in range(3):
            try:
                allcores.freeze(data)
            except MemoryError:
                pass
            else:
                raise SystemExit("no MemoryError")
            assert _core.frozen_bytes() == used
        resource.setrlimit(resource.RLIMIT_DATA, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert allcores.freeze(data) == tuple(data)
    """)


def test_a_small_address_space():
    run_alone("""
        import resource
        resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
        import allcores
        assert allcores.freeze([1, "a", {"b": 2}]) == (1, "a", {"b": 2})
        try:
            allcores.freeze(bytearray(900 << 20))
        except MemoryError:
            print("refused")
    """)
