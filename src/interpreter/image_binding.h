// Changing what a loaded shared object calls: the entries of its global offset table for some
// names.
//
// To be used after dlopen(), before any of its functions runs on another thread: the entries are
// plain memory. Callable from any thread.
#pragma once
#include <link.h>

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "interpreter/elf_file.h"
#include "interpreter/image_file.h"

namespace allcores::interpreter {

// A symbol that an object refers to through its tables.
struct bound_symbol {
    std::string_view name;
    std::size_t index;  // in the object's table of symbols
    void* own;          // its definition in the object itself; null when it is imported
    void* now;          // what it is bound to
};
// For each: what to bind it to, or null to leave it.
using chooser = std::function<void*(const bound_symbol& symbol)>;

// Whether an object imports one of these names.
bool imports_any(const link_map& object, std::span<const char* const> names);

// Rebinds what one object refers to by name, and returns how many entries changed. Throws
// std::system_error when its memory can't be made writable.
std::size_t bind_symbols(const link_map& object, const elf_file& parts, const chooser& choose);

// Gives it the name of the file that it is a copy of, with a "/./" in it, so that nobody who opens
// that file gets this instead: for libraries that ask where they are (dladdr), and for who reads
// their symbols (Rust, debuggers). Returns the name it had, which others may be reading: malloc's,
// to be freed when it is unloaded, or null.
char* name_after(link_map& object, const std::string& original);

// Lets code and constants that are equal to the original's be the original's, whose memory all
// images and the main interpreter share, and gives back that of the copy. Where it can't it leaves
// them, or copies what has not been yet. Throws std::system_error when there is no room for that.
void share_constants(const link_map& object, const mapped_file& original, const elf_file& parts,
                     std::span<const elf_file::patch> patches, image_file& copy);

}  // namespace allcores::interpreter
