// Large blocks of memory that go from one interpreter to another as they are.
//
// CPython allocates what is larger than 512 bytes by malloc, which is the process's; that a block
// belongs to an interpreter is a matter of its books only: a counter (raw_allocated_blocks) that
// decides whether an interpreter which ends may free its arenas, and our own list of who owns what
// (interpreter/interpreter_heap.h). So a block can change hands if both are kept right. disown()
// takes it out of the current interpreter's books, adopt() enters it into those of another. In
// between it is plain memory, freed by drop() from anywhere.
//
// An object whose type is static (bytes, str) and which refers to no other goes whole that way; a
// bytearray's or array's buffer goes out of the one object and into another.
//
// Known of CPython 3.14 and 3.15 with the allocator they have by default. Elsewhere can_hand_over()
// is false, and all is copied. Source: CPython's Objects/obmalloc.c.
#pragma once
#include <Python.h>

#include <cstddef>

namespace allcores::data {

// From this size on a buffer is worth it.
inline constexpr Py_ssize_t least_handed_over = Py_ssize_t{64} << 10;

// To be called once, when the module is loaded, before any other hook of ours into CPython's
// allocators: sees which one there is.
void look_at_allocator() noexcept;

// With a GIL.
bool can_hand_over() noexcept;

// With the GIL of the owner, and of the new owner. The block is from PyObject_Malloc or
// PyMem_Malloc and larger than 512 bytes.
void disown(void* block) noexcept;
void adopt(void* block) noexcept;

// A block like a disowned one, to be filled at once. Throws std::bad_alloc.
void* make_disowned(std::size_t bytes);

// From anywhere.
void drop(void* block) noexcept;

}  // namespace allcores::data
