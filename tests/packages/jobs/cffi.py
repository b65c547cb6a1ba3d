"""Calling libc, callbacks from C, memory, structures."""

import cffi

ffi = cffi.FFI()
ffi.cdef("""
    int abs(int);
    void qsort(void *, size_t, size_t, int (*)(const void *, const void *));
    typedef struct { int a; double b; char name[8]; } item;
""")
libc = ffi.dlopen(None)


@ffi.callback("int(const void *, const void *)")
def compare(left: object, right: object) -> int:
    return ffi.cast("int *", left)[0] - ffi.cast("int *", right)[0]


def work() -> object:
    for i in range(50):
        numbers = ffi.new("int[]", [(7 * j + i) % 13 for j in range(13)])
        libc.qsort(numbers, 13, ffi.sizeof("int"), compare)
        assert list(numbers) == list(range(13))
    item = ffi.new("item *", {"a": 3, "b": 1.5, "name": b"xyz"})
    return libc.abs(-3), item.a, item.b, ffi.string(item.name), ffi.sizeof("item")
