// What the C library keeps in the process between two calls, for images.
//
// getopt() keeps where it is in a command line, strtok() in a string, rand() in its sequence;
// gmtime() and getpwnam() return what the next call overwrites. An extension was safe with that
// under the one GIL. With a GIL for each interpreter two of them would be in the middle of it at
// once, so images call versions whose state is their owner's (interpreter/image_owner.h), as if it
// had the process for itself, or, of results that are returned, the thread's.
//
// What stays the process's, as its locale and environment do: docs/extensions.md.
//
// Callable from any thread, with or without a GIL.
#pragma once
#include <cstddef>
#include <string_view>

namespace allcores::interpreter {

// What an image of this owner should use instead of the function or variable of that name; null:
// the same.
void* libc_replacement(std::size_t owner, std::string_view name) noexcept;

// Whether there is such a thing for any owner.
bool libc_replaces(std::string_view name) noexcept;

// Whether something is the C library's, or C++'s, own. Others have functions of these names too.
bool is_of_the_c_library(const void* address) noexcept;

// A number gets an owner: its state is as at the start of a process. Throws std::bad_alloc.
void begin_libc_state(std::size_t owner);

}  // namespace allcores::interpreter
