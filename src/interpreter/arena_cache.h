// A bounded cache below CPython's allocator of small objects.
//
// pymalloc gets its memory in arenas of 1 MiB and unmaps each when it is empty. A large message is
// decoded into new objects, so into new arenas, and the page faults on those take longer than all
// else: a list of 1,000,000 ints takes 22 ms to decode with them and 5 without. So arenas that an
// interpreter gives back are kept, with their pages, for the next that needs one.
//
// Process-wide. It has to be there before the arenas' other guard, interpreter_heap.h, which then
// leads to it. Source: PEP 445 (PyObject_SetArenaAllocator).
#pragma once
#include <cstddef>

namespace allcores::interpreter {

// So much memory may be held in it.
inline constexpr std::size_t most_cached_arenas = 40;  // of 1 MiB

// With a GIL, from any interpreter; more than once is fine.
void cache_arenas() noexcept;

}  // namespace allcores::interpreter
