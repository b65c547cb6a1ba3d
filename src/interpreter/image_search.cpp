#include "interpreter/image_search.h"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>

#include "interpreter/image_file.h"
#include "interpreter/image_group.h"

namespace allcores::interpreter {
namespace {

std::string folder_of(const std::string& path) {
    return std::filesystem::path(path).parent_path().string();
}

// Libraries that stay one for the process, each with its reason:
//   thread-safe, with a pool of threads that is sized for the machine: MKL, OpenMP, TBB, and the
//   system's BLAS (libblas and liblapack are whichever it has chosen);
//   a language's run-time, which is made for all that a process runs;
//   Python and the C library themselves.
constexpr std::array shared_libraries = {
    "libblas.so", "liblapack.so", "libmkl_",     "libgomp",   "libomp",   "libiomp",
    "libtbb",     "libgfortran",  "libquadmath", "libstdc++", "libgcc_s", "libpython",
    "libc.so",    "libm.so",      "libpthread",  "libdl.",    "librt.",   "ld-linux",
};

bool is_loaded(const std::string& path) {
    void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
    if (handle != nullptr) dlclose(handle);
    return handle != nullptr;
}

// `seen`: those on the way to `path`, which may need each other.
void load_needed(const std::string& path, std::vector<std::string> inherited,
                 std::vector<std::string>& seen) {
    if (std::ranges::contains(seen, path) || is_loaded(path)) return;
    seen.push_back(path);
    const mapped_file file(path);
    const elf_file parts(file.bytes());
    const auto own = folders_of(parts, path);
    for (const std::string_view name : parts.needed()) {
        if (name.contains('/')) continue;
        if (const auto found = find_file(own, name); !found.empty()) {
            auto below = inherited;
            if (parts.search_path_is_inherited()) below.insert(below.end(), own.begin(), own.end());
            load_needed(found, std::move(below), seen);
        } else if (const auto other = find_file(inherited, name); !other.empty()) {
            load_needed(other, inherited, seen);
            link(other, other);
        }
    }
}

}  // namespace

bool is_shared_library(std::string_view file_name) {
    return std::ranges::any_of(shared_libraries,
                               [&](const char* start) { return file_name.starts_with(start); });
}

std::string file_name_of(const std::string& path) {
    return std::filesystem::path(path).filename().string();
}

bool comes_with_a_package(const std::string& path) {
    std::error_code ignored;
    const auto folder = folder_of(std::filesystem::canonical(path, ignored).string()) + "/";
    return folder.contains("/site-packages/") || folder.contains("/dist-packages/") ||
           access((folder + "__init__.py").c_str(), F_OK) == 0;
}

std::vector<std::string> folders_of(const elf_file& parts, const std::string& path) {
    std::vector<std::string> folders;
    std::error_code ignored;
    const auto real = std::filesystem::canonical(path, ignored).string();
    for (const std::string_view entry : parts.search_path()) {
        for (const std::string& origin : {folder_of(path), folder_of(real.empty() ? path : real)}) {
            std::string folder(entry);
            for (const std::string_view variable : {"${ORIGIN}", "$ORIGIN"}) {
                for (std::size_t at; (at = folder.find(variable)) != std::string::npos;)
                    folder.replace(at, variable.size(), origin);
            }
            if (!std::ranges::contains(folders, folder)) folders.push_back(folder);
        }
    }
    return folders;
}

std::string find_file(std::span<const std::string> folders, std::string_view name) {
    for (const std::string& folder : folders) {
        std::string path = folder + "/" + std::string(name);
        if (access(path.c_str(), R_OK) == 0) return path;
    }
    return {};
}

void load_needed_of_shared(const std::string& path, const std::vector<std::string>& inherited) {
    if (inherited.empty()) return;
    std::vector<std::string> seen;
    load_needed(path, inherited, seen);
}

}  // namespace allcores::interpreter
