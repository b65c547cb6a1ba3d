#include "interpreter/arena_cache.h"

#include <Python.h>
#include <dlfcn.h>
#include <sys/mman.h>

#include <mutex>

#include "memory/huge_pages.h"
#include "memory/slots.h"

namespace allcores::interpreter {
namespace {

constexpr std::size_t arena_size = 1 << 20;
static_assert(memory::huge_page == 2 * arena_size);

constinit memory::slots<most_cached_arenas> cached;
// CPython's own; written once, before the functions below can be called. Whether it unmaps what it
// frees.
PyObjectArenaAllocator before;
bool is_mapped = false;

thread_local int many_expected = 0;

void* arena_alloc(void*, std::size_t size) {
    if (size != arena_size) return before.alloc(before.ctx, size);
    if (void* again = cached.take()) return again;
    if (many_expected == 0 || !is_mapped) return before.alloc(before.ctx, size);
    auto* pair = static_cast<char*>(memory::map_huge_page());
    if (pair == nullptr) return before.alloc(before.ctx, size);
    if (!cached.put(pair + arena_size)) munmap(pair + arena_size, arena_size);
    return pair;
}

// An arena that is older than the cache came from the same functions: it may be kept as well.
void arena_free(void*, void* gone, std::size_t size) {
    if (size == arena_size && cached.put(gone)) return;
    before.free(before.ctx, gone, size);
}

// Whether the arenas are CPython's own, which are mapped: its function is where its others are.
bool is_of_python(void* function) {
    Dl_info one = {}, other = {};
    return dladdr(function, &one) != 0 &&
           dladdr(reinterpret_cast<void*>(&PyObject_GetArenaAllocator), &other) != 0 &&
           one.dli_fbase == other.dli_fbase;
}

}  // namespace

void cache_arenas() noexcept {
    static std::once_flag once;
    std::call_once(once, [] {
        PyObject_GetArenaAllocator(&before);
        is_mapped = is_of_python(reinterpret_cast<void*>(before.alloc)) &&
                    is_of_python(reinterpret_cast<void*>(before.free));
        PyObjectArenaAllocator own = {nullptr, arena_alloc, arena_free};
        PyObject_SetArenaAllocator(&own);
    });
}

void expect_many_arenas(bool begins) noexcept {
    many_expected += begins ? 1 : -1;
}

}  // namespace allcores::interpreter
