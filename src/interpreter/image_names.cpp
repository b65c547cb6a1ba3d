#include "interpreter/image_names.h"

#include <dlfcn.h>

#include <algorithm>
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

using ranges = std::vector<std::pair<std::uintptr_t, std::uintptr_t>>;

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

int add_range(dl_phdr_info* info, std::size_t /*size*/, void* found) {
    if (info->dlpi_name == nullptr || !is_original(info->dlpi_name)) return 0;
    std::uintptr_t first = UINTPTR_MAX, last = 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const auto& part = info->dlpi_phdr[i];
        if (part.p_type != PT_LOAD) continue;
        first = std::min(first, info->dlpi_addr + part.p_vaddr);
        last = std::max(last, info->dlpi_addr + part.p_vaddr + part.p_memsz);
    }
    // An image has nearly the name of its original.
    if (image_calls::of(reinterpret_cast<void*>(first)) != nullptr) return 0;
    static_cast<ranges*>(found)->emplace_back(first, last);
    return 0;
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

originals::originals() {
    dl_iterate_phdr(add_range, &ranges_);
    std::ranges::sort(ranges_);
}

bool originals::contain(const void* address) const {
    const auto place = reinterpret_cast<std::uintptr_t>(address);
    const auto after = std::ranges::upper_bound(ranges_, place, {}, &ranges::value_type::first);
    return after != ranges_.begin() && place < std::prev(after)->second;
}

void* own_symbol(void* handle, const bound_symbol& symbol, const originals& others) {
    if (!others.contain(symbol.now)) return nullptr;
    if (symbol.own != nullptr) return symbol.own;
    // In what it needs: that is not looked for in what was loaded with RTLD_GLOBAL.
    void* found = dlsym(handle, std::string(symbol.name).c_str());
    return others.contain(found) ? nullptr : found;
}

}  // namespace allcores::interpreter
