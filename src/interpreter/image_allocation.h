// malloc(), operator new and their kin, for images: small blocks come from a heap of their owner's
// (interpreter/image_owner.h), which is dropped as a whole when the images are unloaded.
//
// C and C++ code leaves memory behind for good: static objects whose destructors never run (all of
// Arrow's functions, 1.7 MiB), types that pybind11 never frees. In malloc's heap it would stay, a
// little in each page, with every interpreter that is replaced.
//
// Blocks cross the border both ways. What images free or reallocate may be malloc's: the C library
// makes some for its callers. What they have made may be freed by others: by the C++ library, which
// has the rest of std::string; by libraries of the system; by PyMem_RawFree. So all of these are
// bound to functions that take both. What the C library itself would reallocate (getline) or keep
// for good (putenv) becomes malloc's first.
//
// Callable from any thread, with or without a GIL, but for what is said.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace allcores::interpreter {

// What an image should call instead of the function of that name, of those that carry no owner
// (others are in image_libc_entries.inc); null: the same.
void* allocation_replacement(std::string_view name) noexcept;

// Whether a name is one of all these functions. They are replaced all or none.
bool is_of_allocation(std::string_view name) noexcept;

// An owner begins: whether its images have a heap is decided now. They have none where malloc() is
// not the C library's (a program may be started with another), nor where PyMem_RawFree would not
// take its blocks (interpreter/interpreter_heap.h).
void begin_allocations(std::size_t owner) noexcept;
bool has_allocations(std::size_t owner) noexcept;

// A library that all interpreters share, and what it needs: what images have made it may free. By
// its path or soname, when it is loaded. With a lock of its own.
void let_free_blocks_of_images(const std::string& library) noexcept;

// All that images of this owner have allocated and not freed. They are unloaded.
void drop_allocations(std::size_t owner) noexcept;

}  // namespace allcores::interpreter
