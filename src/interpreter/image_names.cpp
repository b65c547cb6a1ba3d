#include "interpreter/image_names.h"

#include <dlfcn.h>

#include <functional>
#include <map>
#include <mutex>

#include "interpreter/image_calls.h"
#include "interpreter/image_file.h"
#include "interpreter/image_search.h"

namespace allcores::interpreter {
namespace {

// Its definition in the C++ library, which all interpreters share.
void* in_the_cpp_library(const std::string& name) {
    static void* const library = dlopen("libstdc++.so.6", RTLD_LAZY | RTLD_NOLOAD);
    return library == nullptr ? nullptr : dlsym(library, name.c_str());
}

// What main loads is loaded for good and asked about at each image.
bool is_original(std::string_view path) {
    static std::mutex mutex;  // guards `known`
    static std::map<std::string, bool, std::less<>> known;
    if (!path.contains('/') || is_path_of_image(path)) return false;
    const std::lock_guard lock(mutex);
    if (const auto found = known.find(path); found != known.end()) return found->second;
    const std::string name(path);
    const bool is = comes_with_a_package(name) && !is_shared_library(file_name_of(name));
    known.emplace(name, is);
    return is;
}

}  // namespace

unique_names::replacements unique_names::add(const link_map& object, const elf_file& parts) {
    replacements others;
    for (const auto& symbol : parts.unique_symbols()) {
        void* own = reinterpret_cast<void*>(object.l_addr + symbol.address);
        const auto [found, is_new] = first_.try_emplace(std::string(symbol.name), own);
        if (is_new) {
            if (void* shared = in_the_cpp_library(found->first)) found->second = shared;
        }
        if (found->second != own) others.emplace(symbol.index, found->second);
    }
    return others;
}

bool originals::contain(const void* address) {
    const auto* place = static_cast<const std::byte*>(address);
    for (const known& each : known_)
        if (place >= each.start && place < each.end) return each.is_original;
    dl_find_object found;
    if (place == nullptr || _dl_find_object(const_cast<void*>(address), &found) != 0) return false;
    // An image has nearly the name of its original.
    const bool is = image_calls::of(found.dlfo_map_start) == nullptr &&
                    is_original(found.dlfo_link_map->l_name);
    known_.push_back({static_cast<const std::byte*>(found.dlfo_map_start),
                      static_cast<const std::byte*>(found.dlfo_map_end), is});
    return is;
}

void* own_symbol(void* handle, const bound_symbol& symbol, originals& others) {
    if (!others.contain(symbol.now)) return nullptr;
    if (symbol.own != nullptr) return symbol.own;
    // In what it needs: that is not looked for in what was loaded with RTLD_GLOBAL.
    void* found = dlsym(handle, std::string(symbol.name).c_str());
    return others.contain(found) ? nullptr : found;
}

}  // namespace allcores::interpreter
