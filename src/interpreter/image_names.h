// What names mean to the images of one interpreter, where the dynamic linker, which knows of no
// interpreters, has another answer.
//
// Used by image_set, with its lock and the GIL.
#pragma once
#include <link.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "interpreter/elf_file.h"
#include "interpreter/image_binding.h"

namespace allcores::interpreter {

// C++'s inline variables and static variables of inline functions, which gcc makes unique: an
// extension and the libraries it comes with have each one of the same name, and must all use the
// first. glibc does that for a process; here it is for each interpreter. (A part of what runs in
// libstdc++, which is shared, stays one for the process.)
class unique_names {
 public:
    // Those of a loaded object by their numbers: what to use instead.
    using replacements = std::unordered_map<std::size_t, void*>;
    replacements add(const link_map& object, const elf_file& parts);

 private:
    std::unordered_map<std::string, void*> first_;
};

// What the main interpreter has loaded of packages, by its addresses. When it did so with
// RTLD_GLOBAL, the linker binds an image's names to it: to another interpreter's globals.
class originals {
 public:
    bool contain(const void* address);

 private:
    // What was asked about before. (Not what dl_iterate_phdr() lists: while another thread's
    // dlopen() is at work, glibc may look there for a table of thread-locals that is none yet.)
    struct known {
        const std::byte* start;
        const std::byte* end;
        bool is_original;
    };
    std::vector<known> known_;
};

// What an image, loaded with `handle`, should use instead of a symbol of `others`; null: the same.
void* own_symbol(void* handle, const bound_symbol& symbol, originals& others);

}  // namespace allcores::interpreter
