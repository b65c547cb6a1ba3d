// Copies, their names, and the linker.
#include "interpreter/image_group.h"

#include <dlfcn.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <stdexcept>

#include "interpreter/attach.h"
#include "interpreter/image_allocation.h"
#include "interpreter/image_libc.h"
#include "interpreter/image_pools.h"
#include "interpreter/image_processors.h"

namespace allcores::interpreter {
namespace {

constexpr std::size_t soname_prefix = 6;  // of a soname, what is made its own

// The same length, and a start that no other name has.
std::string unique_soname(std::string_view soname) {
    constexpr std::string_view digits =
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    static std::atomic<std::uint64_t> next = 0;  // counts; pairs with nothing
    std::uint64_t number = next.fetch_add(1, std::memory_order_relaxed);
    std::string name(soname);
    name[0] = '~';
    for (std::size_t i = soname_prefix - 1; i > 0; i--) {
        name[i] = digits[number % digits.size()];
        number /= digits.size();
    }
    return name;
}

// What constructors are called with: the linker tells our own.
int argument_count;
char** arguments;
__attribute__((constructor)) void remember_arguments(int count, char** values, char** /*names*/) {
    argument_count = count;
    arguments = values;
}

// As the linker would have done.
void call_constructors(const link_map& object, const elf_file& parts) {
    using constructor = void (*)(int, char**, char**);
    if (parts.first_constructor() != 0) {
        const auto place = object.l_addr + parts.first_constructor();
        reinterpret_cast<constructor>(place)(argument_count, arguments, environ);
    }
    const auto range = parts.constructors();
    if (range.address == 0) return;
    const auto* place = reinterpret_cast<const constructor*>(object.l_addr + range.address);
    for (const constructor each : std::span(place, range.size / sizeof(constructor)))
        each(argument_count, arguments, environ);
}

}  // namespace

image_candidate::image_candidate(const std::string& path, const file_identity& identity,
                                 std::size_t order)
    : path(path),
      identity(identity),
      original(path),
      parts(original.bytes()),
      order(order),
      reaches(order),
      patches(parts.make_unique_symbols_global()) {
    patches.append_range(parts.hide_constructors_and_destructors());
    // A soname of its own, or others that need the original would get this.
    if (parts.soname().size() <= soname_prefix) return;
    made.soname = unique_soname(parts.soname());
    rename(parts.soname(), made.soname);
}

void image_candidate::rename(std::string_view from, const std::string& to) {
    patches.append_range(parts.rename(from, to));
}

void* link(const std::string& path, const std::string& original) {
    void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle != nullptr) return handle;
    const char* said = dlerror();
    std::string message = said != nullptr ? said : "dlopen failed";
    // The linker names the copy.
    for (std::size_t at; path != original && (at = message.find(path)) != std::string::npos;)
        message.replace(at, path.size(), original);
    throw image_error(message);
}

namespace {

// What others need by the name of its file has no soname, or another: for those it gets a path of
// so many characters besides, which the linker keeps. Only what is called lib...: others could need
// any file, but each length has only so many paths.
std::string another_name(const image_candidate& each) {
    const auto name = std::filesystem::path(each.path).filename().string();
    if (!name.starts_with("lib") || name.size() == each.made.soname.size()) return {};
    try {
        const std::string path = each.copy->path_of_length(name.size());
        dlclose(link(path, each.path));  // by its inode it is the one that is loaded
        return path;
    } catch (const std::runtime_error&) {
        return {};  // no such path: then nobody can need it
    }
}

}  // namespace

void link_group(std::span<const std::shared_ptr<image_candidate>> group, unique_names& names,
                const replacer& replace, image_life& life) {
    {
        const detached others_run;
        for (const auto& each : group) {
            const auto name = std::filesystem::path(each->path).filename().string();
            each->copy.emplace(each->original, each->parts, name);
        }
    }
    for (const auto& each : group) {
        for (const auto& [name, partner] : each->partners)
            each->rename(name, partner->copy->path_of_length(name.size()));
        each->copy->apply(each->patches);
    }
    // The first leads to all others. The linker knows a file again by its inode.
    for (const auto& each : group) each->made.handle = link(each->copy->path(), each->path);
    // What goes wrong from here on leaves a loaded object, of which no code has run.
    originals others;
    std::vector<const link_map*> objects;
    for (const auto& each : group) {
        link_map* object = nullptr;
        if (dlinfo(each->made.handle, RTLD_DI_LINKMAP, &object) != 0)
            throw image_error(each->path + ": the linker does not know it");
        objects.push_back(object);
        life.add(each->made.handle, *object, each->parts);
        life.free_later(name_after(*object, each->path));
        const bool chosen = blas_is_chosen(each->made.handle);
        const bool knows_numbers = imports_any(*object, processor_number_functions);
        const auto unique = names.add(*object, each->parts);
        bind_symbols(*object, each->parts, [&](const bound_symbol& symbol) -> void* {
            // Of two the C library's is taken, as it was there before.
            const bool imported = symbol.own == nullptr ||
                                  (symbol.now != symbol.own && is_of_the_c_library(symbol.now));
            if (imported) {
                void* other = each->openmp ? pool_replacement(*each->openmp, symbol.name) : nullptr;
                if (other == nullptr && !chosen)
                    other = processors_replacement(symbol.name, knows_numbers);
                if (other == nullptr) other = replace(symbol);
                if (other != nullptr) return other;
            } else if (const auto found = unique.find(symbol.index); found != unique.end()) {
                return found->second;
            }
            return own_symbol(each->made.handle, symbol, others);
        });
        each->made.other_name = another_name(*each);
        share_constants(*object, each->original, each->parts, each->patches, *each->copy);
    }
    for (const auto& each : group)
        for (const std::string& library : each->shared) let_free_blocks_of_images(library);
    // Now that it calls what it should. Those that were needed first.
    for (std::size_t i = group.size(); i-- > 0;) call_constructors(*objects[i], group[i]->parts);
}

}  // namespace allcores::interpreter
