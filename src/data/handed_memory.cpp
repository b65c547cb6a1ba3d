#ifndef Py_BUILD_CORE
#define Py_BUILD_CORE 1
#endif
#include "data/handed_memory.h"

#include <internal/pycore_pymem.h>

#include <atomic>
#include <cstring>
#include <new>

#include "interpreter/interpreter_heap.h"
#include "memory/huge_pages.h"

namespace allcores::data {
namespace {

// A size that pymalloc leaves to malloc.
constexpr std::size_t not_small = 520;

// Written before the module's functions can be called, then constant.
std::atomic<bool> is_pymalloc{false};

}  // namespace

void look_at_allocator() noexcept {
#if PY_VERSION_HEX >= 0x030E0000 && PY_VERSION_HEX < 0x03100000
    // Null when somebody has put hooks in (tracemalloc). Those of ours come after the first call.
    static const bool found = [] {
        const char* name = _PyMem_GetCurrentAllocatorName();
        return name != nullptr && std::strcmp(name, "pymalloc") == 0;
    }();
    is_pymalloc.store(found, std::memory_order_relaxed);
#endif
}

bool can_hand_over() noexcept {
    return is_pymalloc.load(std::memory_order_relaxed) && !interpreter::memory_is_traced();
}

void disown(void* block) noexcept {
    interpreter::disown_block(block);
    // One large block less in this interpreter's count: a block that was never counted is freed as
    // if it had been.
    if (void* uncounted = PyMem_RawMalloc(not_small)) PyObject_Free(uncounted);
}

void adopt(void* block) noexcept {
    // And one more: a block that was counted is freed as if it had not been.
    if (void* counted = PyObject_Malloc(not_small)) PyMem_RawFree(counted);
    interpreter::adopt_block(block);
}

void* make_disowned(std::size_t bytes) {
    void* made = PyMem_RawMalloc(bytes);
    if (made == nullptr) throw std::bad_alloc();
    if (bytes >= memory::huge_page) memory::prefer_huge_pages(made, bytes);
    return made;
}

void drop(void* block) noexcept {
    PyMem_RawFree(block);
}

}  // namespace allcores::data
