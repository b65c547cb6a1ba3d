#include "interpreter/image_allocation.h"

#include <Python.h>
#include <argz.h>
#include <dlfcn.h>
#include <envz.h>
#include <link.h>
#include <malloc.h>
#include <pythread.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <iomanip>
#include <locale>
#include <mutex>
#include <new>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <utility>

#include "interpreter/elf_file.h"
#include "interpreter/image_binding.h"
#include "interpreter/image_file.h"
#include "interpreter/image_libc.h"
#include "interpreter/image_owner.h"
#include "interpreter/interpreter_heap.h"
#include "memory/block_heap.h"

namespace allcores::interpreter {
namespace {

using memory::block_heap;

constinit block_heap heaps[image_owner::capacity];
// Written before an image knows the number.
bool are_used[image_owner::capacity];

void free_any(void* block) noexcept {
    if (block_heap::contains(block)) {
        block_heap::release(block);
    } else {
        std::free(block);
    }
}

std::size_t size_of_any(void* block) noexcept {
    return block_heap::contains(block) ? block_heap::size_of(block) : malloc_usable_size(block);
}

// A block of a heap becomes one of another kind. Null when there is no memory: then it stays.
template <class Allocate>
void* move(void* block, std::size_t size, const Allocate& allocate) noexcept {
    void* made = allocate(size);
    if (made == nullptr) return nullptr;
    std::memcpy(made, block, std::min(size, block_heap::size_of(block)));
    block_heap::release(block);
    return made;
}

// realloc() in shared libraries: the result is malloc's.
void* reallocate_shared(void* block, std::size_t size) noexcept {
    if (!block_heap::contains(block)) return std::realloc(block, size);
    if (size == 0) {
        block_heap::release(block);
        return nullptr;
    }
    return move(block, size, std::malloc);
}

void* reallocate_array_shared(void* block, std::size_t count, std::size_t size) noexcept {
    std::size_t bytes;
    if (!__builtin_mul_overflow(count, size, &bytes)) return reallocate_shared(block, bytes);
    errno = ENOMEM;
    return nullptr;
}

// Makes a block malloc's, which the C library will reallocate or free. False: no memory.
bool make_malloc_s(char*& block) noexcept {
    if (!block_heap::contains(block)) return true;
    void* made = move(block, block_heap::size_of(block), std::malloc);
    if (made != nullptr) block = static_cast<char*>(made);
    return made != nullptr;
}

ssize_t get_delimited(char** line, std::size_t* size, int delimiter, FILE* file) noexcept {
    // (Null is an error that getdelim itself reports.)
    if (line != nullptr && !make_malloc_s(*line)) return -1;
    return getdelim(line, size, delimiter, file);
}
ssize_t get_line(char** line, std::size_t* size, FILE* file) noexcept {
    return get_delimited(line, size, '\n', file);
}

// Lists of texts that the C library makes longer and shorter.
template <auto Function>
struct on_list;
template <class Result, class... Arguments, bool NeverThrows,
          Result (*Function)(char**, std::size_t*, Arguments...) noexcept(NeverThrows)>
struct on_list<Function> {
    static Result call(char** list, std::size_t* size, Arguments... arguments) noexcept {
        if (*list != nullptr && !make_malloc_s(*list)) {
            if constexpr (std::is_same_v<Result, error_t>) return ENOMEM;
        } else {
            return Function(list, size, arguments...);
        }
    }
};

// The environment outlives the interpreter.
int put_environment(char* text) noexcept {
    if (!block_heap::contains(text)) return putenv(text);
    char* kept = static_cast<char*>(std::malloc(std::strlen(text) + 1));
    if (kept == nullptr) return -1;
    return putenv(std::strcpy(kept, text));
}

// As do streams, whose buffers may be written to a file when the process ends.
int set_buffer(FILE* file, char* buffer, int mode, std::size_t size) noexcept {
    return setvbuf(file, block_heap::contains(buffer) ? nullptr : buffer, mode, size);
}
void set_buffer_of_size(FILE* file, char* buffer, std::size_t size) noexcept {
    set_buffer(file, buffer, buffer != nullptr ? _IOFBF : _IONBF, size);
}
void set_usual_buffer(FILE* file, char* buffer) noexcept {
    set_buffer_of_size(file, buffer, BUFSIZ);
}

template <class Function>
void* as_pointer(Function* function) {
    return reinterpret_cast<void*>(function);
}

// With owners, and their number of arguments: image_libc_entries.inc has the same.
constexpr std::string_view with_owner[] = {
    "malloc",
    "calloc",
    "realloc",
    "reallocarray",
    "posix_memalign",
    "aligned_alloc",
    "memalign",
    "PyMem_RawMalloc",
    "PyMem_RawCalloc",
    "PyMem_RawRealloc",
    "strdup",
    "__strdup",
    "strndup",
    "__strndup",
    "_Znwm",
    "_Znam",
    "_ZnwmRKSt9nothrow_t",
    "_ZnamRKSt9nothrow_t",
    "_ZNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEE9_M_createERmm",
    "_ZnwmSt11align_val_t",
    "_ZnamSt11align_val_t",
    "_ZnwmSt11align_val_tRKSt9nothrow_t",
    "_ZnamSt11align_val_tRKSt9nothrow_t",
};

// Parts of the C++ library's locales that are made when they are first used, for the whole process,
// and by code that a compiler may have put into an image.
void make_parts_of_locales() {
    const auto use = []<class Character>(Character) {
        std::basic_stringstream<Character> stream;
        const std::time_t time = 0;
        const std::tm* parts = std::gmtime(&time);
        stream.imbue(std::locale::classic());
        stream << 1.5 << 7 << true << std::put_money(1.5L) << std::put_money(1.5L, true)
               << std::put_time(parts, std::basic_string<Character>(1, Character{'x'}).c_str());
        double number;
        stream >> number;
    };
    use(char{});
    use(wchar_t{});
}

// The loaded objects that are done. Guarded by its mutex; never destroyed.
struct libraries {
    std::mutex mutex;
    std::set<const link_map*> done;
};
libraries& shared_libraries() {
    static auto* all = new libraries;
    return *all;
}

void* shared_replacement(std::string_view name) {
    if (name == "free" || name == "cfree") return as_pointer(free_any);
    if (name == "realloc") return as_pointer(reallocate_shared);
    if (name == "reallocarray") return as_pointer(reallocate_array_shared);
    if (name == "malloc_usable_size") return as_pointer(size_of_any);
    return nullptr;
}

// Whether what a library calls is the C library's, or will be when it is called first: until then
// it leads back into the library.
bool will_be_of_the_c_library(const bound_symbol& symbol, const link_map& library) noexcept {
    if (symbol.own != nullptr) return false;
    if (is_of_the_c_library(symbol.now)) return true;
    dl_find_object found;
    return _dl_find_object(symbol.now, &found) == 0 && found.dlfo_link_map == &library;
}

// With the mutex.
void bind_shared(libraries& all, const std::string& library) {
    void* handle = dlopen(library.c_str(), RTLD_LAZY | RTLD_NOLOAD);
    if (handle == nullptr) return;
    link_map* object = nullptr;
    const bool known = dlinfo(handle, RTLD_DI_LINKMAP, &object) == 0;
    // It stays loaded: the handle is kept.
    if (!known || object->l_name[0] == 0 || !all.done.insert(object).second) {
        dlclose(handle);
        return;
    }
    // The C library and the linker free only what they have made.
    const std::string path = object->l_name;
    const std::string file_name = path.substr(path.rfind('/') + 1);
    if (file_name.starts_with("libc.so.") || file_name.starts_with("ld-linux")) return;
    const mapped_file file(path);
    const elf_file parts(file.bytes());
    bind_symbols(*object, parts, [object](const bound_symbol& symbol) -> void* {
        void* other = shared_replacement(symbol.name);
        return other != nullptr && will_be_of_the_c_library(symbol, *object) ? other : nullptr;
    });
    for (const std::string_view needed : parts.needed()) bind_shared(all, std::string(needed));
}

}  // namespace

void begin_allocations(std::size_t owner) noexcept {
    static const bool malloc_is_usual = is_of_the_c_library(dlsym(RTLD_DEFAULT, "malloc")) &&
                                        is_of_the_c_library(dlsym(RTLD_DEFAULT, "free"));
    are_used[owner] = malloc_is_usual && heaps_are_watched();
}

bool has_allocations(std::size_t owner) noexcept {
    return are_used[owner];
}

void let_free_blocks_of_images(const std::string& library) noexcept {
    libraries& all = shared_libraries();
    const std::lock_guard lock(all.mutex);
    try {
        if (all.done.empty()) {
            make_parts_of_locales();
            bind_shared(all, "libstdc++.so.6");
        }
        bind_shared(all, library);
    } catch (...) {
        // It can't be read or changed: it is as with those that are opened later.
    }
}

void drop_allocations(std::size_t owner) noexcept {
    heaps[owner].drop();
}

bool is_of_allocation(std::string_view name) noexcept {
    return std::ranges::find(with_owner, name) != std::end(with_owner) ||
           allocation_replacement(name) != nullptr;
}

void* allocation_replacement(std::string_view name) noexcept {
    static const std::unordered_map<std::string_view, void*> all = {
        {"free", as_pointer(free_any)},
        {"cfree", as_pointer(free_any)},
        {"malloc_usable_size", as_pointer(size_of_any)},
        {"_ZdlPv", as_pointer(free_any)},
        {"_ZdaPv", as_pointer(free_any)},
        // Sizes, alignments and std::nothrow make no difference.
        {"_ZdlPvm", as_pointer(free_any)},
        {"_ZdaPvm", as_pointer(free_any)},
        {"_ZdlPvRKSt9nothrow_t", as_pointer(free_any)},
        {"_ZdaPvRKSt9nothrow_t", as_pointer(free_any)},
        {"_ZdlPvSt11align_val_t", as_pointer(free_any)},
        {"_ZdaPvSt11align_val_t", as_pointer(free_any)},
        {"_ZdlPvmSt11align_val_t", as_pointer(free_any)},
        {"_ZdaPvmSt11align_val_t", as_pointer(free_any)},
        {"_ZdlPvSt11align_val_tRKSt9nothrow_t", as_pointer(free_any)},
        {"_ZdaPvSt11align_val_tRKSt9nothrow_t", as_pointer(free_any)},
        {"getline", as_pointer(get_line)},
        {"getdelim", as_pointer(get_delimited)},
        {"__getdelim", as_pointer(get_delimited)},
        {"argz_add", as_pointer(on_list<argz_add>::call)},
        {"argz_add_sep", as_pointer(on_list<argz_add_sep>::call)},
        {"argz_append", as_pointer(on_list<argz_append>::call)},
        {"argz_delete", as_pointer(on_list<argz_delete>::call)},
        {"argz_insert", as_pointer(on_list<argz_insert>::call)},
        {"argz_replace", as_pointer(on_list<argz_replace>::call)},
        {"envz_add", as_pointer(on_list<envz_add>::call)},
        {"envz_merge", as_pointer(on_list<envz_merge>::call)},
        {"PyThread_allocate_lock", as_pointer(allocate_lock)},
        {"putenv", as_pointer(put_environment)},
        {"setvbuf", as_pointer(set_buffer)},
        {"setbuffer", as_pointer(set_buffer_of_size)},
        {"setbuf", as_pointer(set_usual_buffer)},
    };
    const auto found = all.find(name);
    return found == all.end() ? nullptr : found->second;
}

}  // namespace allcores::interpreter

using allcores::interpreter::heaps;
using allcores::memory::block_heap;

// Each has one argument more than the function it is called for, the owner: image_libc_entries.S.
extern "C" {

void* allcores_malloc(std::size_t size, unsigned owner) noexcept {
    void* block = heaps[owner].allocate(size);
    if (block != nullptr) [[likely]] {
        return block;
    }
    return std::malloc(size);
}

void* allcores_calloc(std::size_t count, std::size_t size, unsigned owner) noexcept {
    std::size_t bytes;
    if (!__builtin_mul_overflow(count, size, &bytes))
        if (void* block = heaps[owner].allocate(bytes)) return std::memset(block, 0, bytes);
    return std::calloc(count, size);
}

void* allcores_realloc(void* block, std::size_t size, unsigned owner) noexcept {
    if (block == nullptr) return allcores_malloc(size, owner);
    if (!block_heap::contains(block)) return std::realloc(block, size);
    if (size == 0) {
        block_heap::release(block);
        return nullptr;
    }
    const std::size_t now = block_heap::size_of(block);
    if (size <= now && size > now / 2) return block;
    return allcores::interpreter::move(
        block, size, [&](std::size_t wanted) { return allcores_malloc(wanted, owner); });
}

void* allcores_reallocarray(void* block, std::size_t count, std::size_t size,
                            unsigned owner) noexcept {
    std::size_t bytes;
    if (!__builtin_mul_overflow(count, size, &bytes)) return allcores_realloc(block, bytes, owner);
    errno = ENOMEM;
    return nullptr;
}

// Null: by the C library, which also says what is wrong with an alignment.
static void* allocate_aligned(std::size_t alignment, std::size_t size, unsigned owner) noexcept {
    if (alignment == 0 || (alignment & (alignment - 1)) != 0) return nullptr;
    if (alignment <= block_heap::alignment) return heaps[owner].allocate(size);
    if (size > block_heap::largest || alignment > block_heap::largest) return nullptr;
    return heaps[owner].allocate(std::bit_ceil(std::max(size, alignment)));
}

int allcores_posix_memalign(void** made, std::size_t alignment, std::size_t size,
                            unsigned owner) noexcept {
    void* block =
        alignment % sizeof(void*) == 0 ? allocate_aligned(alignment, size, owner) : nullptr;
    if (block == nullptr) return posix_memalign(made, alignment, size);
    *made = block;
    return 0;
}

void* allcores_aligned_alloc(std::size_t alignment, std::size_t size, unsigned owner) noexcept {
    void* block = allocate_aligned(alignment, size, owner);
    return block != nullptr ? block : std::aligned_alloc(alignment, size);
}

void* allcores_memalign(std::size_t alignment, std::size_t size, unsigned owner) noexcept {
    void* block = allocate_aligned(alignment, size, owner);
    return block != nullptr ? block : memalign(alignment, size);
}

char* allcores_strndup(const char* text, std::size_t most, unsigned owner) noexcept {
    const std::size_t length = strnlen(text, most);
    auto* made = static_cast<char*>(allcores_malloc(length + 1, owner));
    if (made == nullptr) return nullptr;
    std::memcpy(made, text, length);
    made[length] = 0;
    return made;
}
char* allcores___strndup(const char* text, std::size_t most, unsigned owner) noexcept {
    return allcores_strndup(text, most, owner);
}
char* allcores_strdup(const char* text, unsigned owner) noexcept {
    return allcores_strndup(text, SIZE_MAX, owner);
}
char* allcores___strdup(const char* text, unsigned owner) noexcept {
    return allcores_strndup(text, SIZE_MAX, owner);
}

// In plain Python these are malloc() with a size of at least 1. What is large Python may trace.
void* allcores_PyMem_RawMalloc(std::size_t size, unsigned owner) noexcept {
    void* block = heaps[owner].allocate(size);
    return block != nullptr ? block : PyMem_RawMalloc(size);
}
void* allcores_PyMem_RawCalloc(std::size_t count, std::size_t size, unsigned owner) noexcept {
    std::size_t bytes;
    if (!__builtin_mul_overflow(count, size, &bytes))
        if (void* block = heaps[owner].allocate(bytes)) return std::memset(block, 0, bytes);
    return PyMem_RawCalloc(count, size);
}
void* allcores_PyMem_RawRealloc(void* block, std::size_t size, unsigned owner) noexcept {
    if (block == nullptr) return allcores_PyMem_RawMalloc(size, owner);
    if (!block_heap::contains(block)) return PyMem_RawRealloc(block, size);
    return allcores_realloc(block, size == 0 ? 1 : size, owner);
}

// operator new
void* allcores__Znwm(std::size_t size, unsigned owner) {
    void* block = heaps[owner].allocate(size);
    if (block != nullptr) [[likely]] {
        return block;
    }
    return ::operator new(size);
}

// std::string's memory, for code of the class that is in an image; the rest of it is in the C++
// library and calls that one's operator new. By its definition there: `capacity` is what is wanted
// and becomes what there is; it grows to twice what was before at least.
char* allcores__ZNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEE9_M_createERmm(
    const std::string* text, std::size_t* capacity, std::size_t before, unsigned owner) {
    const std::size_t most = text->max_size();
    if (*capacity > most) throw std::length_error("basic_string::_M_create");
    if (*capacity > before && *capacity < 2 * before) *capacity = std::min(2 * before, most);
    return static_cast<char*>(allcores__Znwm(*capacity + 1, owner));
}

void* allcores__Znam(std::size_t size, unsigned owner) {
    return allcores__Znwm(size, owner);
}
void* allcores__ZnwmRKSt9nothrow_t(std::size_t size, const std::nothrow_t& tag,
                                   unsigned owner) noexcept {
    void* block = heaps[owner].allocate(size);
    return block != nullptr ? block : ::operator new(size, tag);
}
void* allcores__ZnamRKSt9nothrow_t(std::size_t size, const std::nothrow_t& tag,
                                   unsigned owner) noexcept {
    return allcores__ZnwmRKSt9nothrow_t(size, tag, owner);
}
void* allcores__ZnwmSt11align_val_t(std::size_t size, std::align_val_t alignment, unsigned owner) {
    void* block = allocate_aligned(static_cast<std::size_t>(alignment), size, owner);
    return block != nullptr ? block : ::operator new(size, alignment);
}
void* allcores__ZnamSt11align_val_t(std::size_t size, std::align_val_t alignment, unsigned owner) {
    return allcores__ZnwmSt11align_val_t(size, alignment, owner);
}
void* allcores__ZnwmSt11align_val_tRKSt9nothrow_t(std::size_t size, std::align_val_t alignment,
                                                  const std::nothrow_t& tag,
                                                  unsigned owner) noexcept {
    void* block = allocate_aligned(static_cast<std::size_t>(alignment), size, owner);
    return block != nullptr ? block : ::operator new(size, alignment, tag);
}
void* allcores__ZnamSt11align_val_tRKSt9nothrow_t(std::size_t size, std::align_val_t alignment,
                                                  const std::nothrow_t& tag,
                                                  unsigned owner) noexcept {
    return allcores__ZnwmSt11align_val_tRKSt9nothrow_t(size, alignment, tag, owner);
}
}
