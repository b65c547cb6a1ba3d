#include "interpreter/system_library.h"

#include <dlfcn.h>
#include <link.h>

#include <algorithm>
#include <array>
#include <map>
#include <mutex>

#include "interpreter/elf_file.h"
#include "interpreter/image_file.h"

namespace allcores::interpreter {
namespace {

// Starts of names, each with its reason:
//   libhdf5: is not thread-safe as distributions build it; h5py and PyTables have locks of their
//     own, which are one for each interpreter. libnetcdf uses it, without any lock;
//   libxml2, libxslt, libexslt: lxml gives them functions to call for errors and documents, one of
//     each for the process; the call would come to another interpreter, with this one's objects;
//   libfftw3: only its execution is thread-safe; pyFFTW guards the rest with a lock of Python's;
//   libev, libuv: have a default loop, one for the process, which gevent's hub takes.
constexpr std::array not_to_be_shared = {"libhdf5",   "libnetcdf", "libxml2", "libxslt.",
                                         "libexslt.", "libfftw3",  "libev.",  "libuv."};

bool is_listed(std::string_view name) {
    name.remove_prefix(name.rfind('/') + 1);
    return std::ranges::any_of(not_to_be_shared,
                               [&](const char* start) { return name.starts_with(start); });
}

struct known {
    std::mutex mutex;
    // By name; a path when it is to be copied.
    std::map<std::string, std::optional<std::string>> libraries;
};

// Never destroyed, as threads that were left behind may come here at the end of the process.
known& all() {
    static auto& made = *new known;
    return made;
}

// The file that the linker finds. What it needs may be a path.
std::optional<std::string> path_of(const std::string& name) {
    if (name.contains('/')) return name;
    void* handle = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
    link_map* object = nullptr;
    if (handle != nullptr && dlinfo(handle, RTLD_DI_LINKMAP, &object) == 0) return object->l_name;
    static_cast<void>(dlerror());
    return std::nullopt;
}

std::optional<std::string> look_up(known& all, const std::string& name);

// With the mutex.
bool needs_a_copy(known& all, const std::string& path) {
    try {
        const mapped_file file(path);
        const elf_file parts(file.bytes());
        return std::ranges::any_of(parts.needed(), [&](std::string_view needed) {
            return look_up(all, std::string(needed)).has_value();
        });
    } catch (const std::runtime_error&) {
        return false;  // nothing that could have an image: the kernel's own object has no file
    }
}

// With the mutex.
std::optional<std::string> look_up(known& all, const std::string& name) {
    // Shared, to those that need each other.
    const auto [entry, is_new] = all.libraries.try_emplace(name);
    if (!is_new) return entry->second;
    const auto path = path_of(name);
    if (!path) {
        all.libraries.erase(entry);  // it may be there the next time
        return std::nullopt;
    }
    if (is_listed(name) || needs_a_copy(all, *path)) entry->second = path;
    return entry->second;
}

}  // namespace

std::optional<std::string> system_library_to_copy(const std::string& name) {
    known& libraries = all();
    const std::lock_guard lock(libraries.mutex);
    if (!name.contains('/')) return look_up(libraries, name);
    // What a path leads to may change.
    if (is_listed(name) || needs_a_copy(libraries, name)) return name;
    return std::nullopt;
}

}  // namespace allcores::interpreter
