// A bounded cache below CPython's allocator of small objects.
//
// pymalloc gets its memory in arenas of 1 MiB and unmaps each when it is empty. A large message is
// decoded into new objects, so into new arenas, and the page faults on those take longer than all
// else: a list of 1,000,000 ints takes 22 ms to decode with them and 5 without. So arenas that an
// interpreter gives back are kept, with their pages, for the next that needs one. And while a
// message is read that needs more arenas than there are, they are taken two at a time and as huge
// pages: a page fault costs about as much for 2 MiB as for 4 KiB, here 1.5 µs, but for the zeroes.
//
// Process-wide. It has to be there before the arenas' other guard, interpreter_heap.h, which then
// leads to it. Source: PEP 445 (PyObject_SetArenaAllocator); Linux's
// Documentation/admin-guide/mm/transhuge.rst.
#pragma once
#include <cstddef>

namespace allcores::interpreter {

// So much memory may be held in it.
inline constexpr std::size_t most_cached_arenas = 40;  // of 1 MiB

// With a GIL, from any interpreter; more than once is fine.
void cache_arenas() noexcept;

// Says that this thread fills all the arenas that it takes, or, in the end, no longer does.
void expect_many_arenas(bool begins) noexcept;

}  // namespace allcores::interpreter
