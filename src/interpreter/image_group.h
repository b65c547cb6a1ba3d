// Files on their way to becoming images: one as a rule, several where libraries need each other.
//
// FreeType and HarfBuzz do, as Pillow brings them. Their copies have to be linked at once, so each
// names the others by paths under which the linker finds them then.
//
// Used by image_set, with its lock and the GIL.
#pragma once
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "interpreter/elf_file.h"
#include "interpreter/image_binding.h"
#include "interpreter/image_file.h"
#include "interpreter/image_life.h"
#include "interpreter/image_names.h"
#include "interpreter/image_set.h"

namespace allcores::interpreter {

// `order` and `reaches` are the numbers of Tarjan's algorithm, which finds who needs each other:
// the place in image_set::making_, and the first place there that it leads back to.
struct image_candidate {
    // Throws std::system_error, elf_error.
    image_candidate(const std::string& path, const file_identity& identity, std::size_t order);

    // Its copy will need `to`, a name of the same length, instead of `from`.
    void rename(std::string_view from, const std::string& to);

    const std::string path;
    const file_identity identity;
    const mapped_file original;
    const elf_file parts;
    const std::size_t order;
    std::size_t reaches;
    image made;  // its soname from the start; its handle when it is linked
    std::vector<elf_file::patch> patches;
    // What it needs that is linked together with it, by the name it has for that.
    std::vector<std::pair<std::string_view, image_candidate*>> partners;
    std::vector<std::string> shared;    // what it needs that is no image
    std::optional<std::size_t> openmp;  // the one it needs (interpreter/image_pools.h)
    std::optional<image_file> copy;
};

// Loads a shared object. Throws image_error, with the linker's message about `original`.
void* link(const std::string& path, const std::string& original);

// Makes the copies, links the first and with it the others, and binds what they import. Lets go of
// the GIL meanwhile, but not while constructors run, as in CPython's own import. `life` knows of
// them before their code runs. Throws image_error, std::system_error.
using replacer = std::function<void*(const bound_symbol& imported)>;  // null: none
void link_group(std::span<const std::shared_ptr<image_candidate>> group, unique_names& names,
                const replacer& replace, image_life& life);

}  // namespace allcores::interpreter
