#include "interpreter/arena_cache.h"

#include <Python.h>

#include <mutex>

#include "memory/slots.h"

namespace allcores::interpreter {
namespace {

constexpr std::size_t arena_size = 1 << 20;

constinit memory::slots<most_cached_arenas> cached;
// CPython's own; written once, before the functions below can be called.
PyObjectArenaAllocator before;

void* arena_alloc(void*, std::size_t size) {
    if (size == arena_size) {
        if (void* again = cached.take()) return again;
    }
    return before.alloc(before.ctx, size);
}

// An arena that is older than the cache came from the same functions: it may be kept as well.
void arena_free(void*, void* gone, std::size_t size) {
    if (size == arena_size && cached.put(gone)) return;
    before.free(before.ctx, gone, size);
}

}  // namespace

void cache_arenas() noexcept {
    static std::once_flag once;
    std::call_once(once, [] {
        PyObject_GetArenaAllocator(&before);
        PyObjectArenaAllocator own = {nullptr, arena_alloc, arena_free};
        PyObject_SetArenaAllocator(&own);
    });
}

}  // namespace allcores::interpreter
