// What memory of CPython's belongs to which interpreter, so that it can be given back as a whole.
//
// When an interpreter ends, CPython frees its heap only if not one block of it is in use any more.
// C globals of extension modules go on holding objects, so after them it never does: 9 MiB stay for
// an interpreter that imported NumPy. Once nothing can look at these objects any more
// (interpreter/image_life.h says when), all of it may go.
//
// Small blocks are in arenas, which CPython gets from an allocator that can be replaced (PEP 445):
// each arena is noted with its interpreter. Blocks of more than 512 bytes (and of none) come from
// malloc: those that are allocated as objects or by PyMem_Malloc, which belong to an interpreter by
// contract, come from a heap of its own instead (memory/block_heap.h), or, where they are larger
// than that has, get a header that links them. What PyMem_RawMalloc returns belongs to the process
// and is left alone.
//
// Source: CPython's Objects/obmalloc.c; PEP 445, PEP 684.
#pragma once
#include <Python.h>
#include <pythread.h>

#include <cstddef>
#include <cstdint>

namespace allcores::interpreter {

// From now on memory is noted, for all interpreters but the main one; those that are there already
// count with what they allocate later. The current one's blocks come from a heap of its own. With a
// GIL, from any interpreter; more than once is fine. False when it can't be done: another allocator
// than CPython's own is in use (PYTHONMALLOC=malloc), or one that will be taken away again
// (tracemalloc).
bool watch_heaps() noexcept;
// Whether it is so. From any thread.
bool heaps_are_watched() noexcept;

// The memory that an interpreter, which has ended, allocated and has not freed goes back to the
// system. Returns its size in bytes. Without a GIL, once for each interpreter.
std::size_t release_heap(std::int64_t interpreter_id) noexcept;

// Large blocks that go from one interpreter to another (data/handed_memory.h): out of the current
// interpreter's list, and into it. A block that is in none stays so. With its GIL.
void disown_block(void* block) noexcept;
void adopt_block(void* block) noexcept;
// PyThread_allocate_lock() for the current interpreter's images: the lock goes with its memory.
PyThread_type_lock allocate_lock() noexcept;

// While a heap is pinned, release_heap() leaves it alone, for ever then: another interpreter reads
// memory in it (data/foreign_memory.h). From anywhere; as often as it is pinned.
void pin_heap(std::int64_t interpreter_id);
void unpin_heap(std::int64_t interpreter_id) noexcept;

// Whether tracemalloc is on. From any thread that has been in an interpreter.
bool memory_is_traced() noexcept;

}  // namespace allcores::interpreter
