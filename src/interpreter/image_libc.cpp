#include "interpreter/image_libc.h"

#include <dlfcn.h>
#include <link.h>

#include <algorithm>
#include <array>
#include <unordered_map>

#include "interpreter/image_allocation.h"
#include "interpreter/image_libc_results.h"
#include "interpreter/image_libc_state.h"
#include "interpreter/image_owner.h"

#define IMAGE_LIBC_ENTRIES(name, count) \
    extern "C" [[gnu::visibility("hidden")]] const char allcores_##name##_entries[];
#include "interpreter/image_libc_entries.inc"
#undef IMAGE_LIBC_ENTRIES

namespace allcores::interpreter {
namespace {

// An owner's entry is so far from the one before (image_libc_entries.S).
constexpr std::size_t entry_size = 16;
static_assert(image_owner::capacity == 1024, "image_libc_entries.S has so many");

const char* first_entry(std::string_view name) noexcept {
    static const std::unordered_map<std::string_view, const char*> all = {
#define IMAGE_LIBC_ENTRIES(name, count) {#name, allcores_##name##_entries},
#include "interpreter/image_libc_entries.inc"
#undef IMAGE_LIBC_ENTRIES
    };
    const auto found = all.find(name);
    return found == all.end() ? nullptr : found->second;
}

}  // namespace

void* libc_replacement(std::size_t owner, std::string_view name) noexcept {
    if (!has_allocations(owner) && is_of_allocation(name)) return nullptr;
    if (const char* first = first_entry(name)) return const_cast<char*>(first + owner * entry_size);
    libc_state& own = libc_state_of(owner);
    if (name == "optind") return &own.options.index;
    if (name == "optarg") return &own.options.argument;
    if (name == "opterr") return &own.options.print_errors;
    if (name == "optopt") return &own.options.unknown;
    if (name == "signgam") return &own.sign_of_gamma;
    if (void* found = allocation_replacement(name)) return found;
    return libc_result_replacement(name);
}

bool libc_replaces(std::string_view name) noexcept {
    return is_of_allocation(name) || libc_replacement(0, name) != nullptr;
}

bool is_of_the_c_library(const void* address) noexcept {
    static constexpr std::array parts = {"libc.so.", "libm.so.", "libcrypt.so.", "libstdc++.so.",
                                         "libpython3."};
    dl_find_object found;
    if (address == nullptr || _dl_find_object(const_cast<void*>(address), &found) != 0)
        return false;
    const std::string_view path = found.dlfo_link_map->l_name;
    // The program may have the variables, to which the C library's names are bound then.
    if (path.empty()) return true;
    const std::string_view file = path.substr(path.rfind('/') + 1);
    return std::ranges::any_of(parts, [&](const char* start) { return file.starts_with(start); });
}

}  // namespace allcores::interpreter
