#include "interpreter/image_calls.h"

#include <Python.h>
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <utility>
#include <vector>

#include "interpreter/image_life.h"
#include "interpreter/image_threads.h"

// The C library's and the C++ library's, which their headers don't declare.
extern "C" int __cxa_thread_atexit_impl(void (*)(void*), void*, void*);
extern "C" int __register_atfork(void (*)(), void (*)(), void (*)(), void*);
extern "C" void* __dso_handle;

namespace allcores::interpreter {
namespace {

using life_pointer = std::shared_ptr<image_life>;

// Guarded by its mutex. Never destroyed: threads end while the process does.
struct registry {
    struct range {
        std::uintptr_t start;
        life_pointer life;
    };
    std::shared_mutex mutex;
    std::map<std::uintptr_t, range> by_end;
    std::set<void*> handles;
};
registry& all_images() {
    static auto* all = new registry;
    return *all;
}

template <class Function>
const void* address_of(Function* function) {
    return reinterpret_cast<const void*>(function);
}

// The first of these addresses that is in an image says whose.
life_pointer life_at(std::initializer_list<const void*> addresses) {
    for (const void* address : addresses)
        if (auto life = image_calls::of(address)) return life;
    return nullptr;
}

// Destructors of thread-local variables: of images that are gone they are not called.
struct noted_destructor {
    life_pointer life;
    void (*function)(void*);
    void* object;
};

void run_destructor(void* argument) noexcept {
    const std::unique_ptr<noted_destructor> noted(static_cast<noted_destructor*>(argument));
    if (!image_calls::enter(*noted->life)) return;
    noted->function(noted->object);
    image_calls::leave(*noted->life);
}

int note_destructor(void (*function)(void*), void* object, void* dso) noexcept {
    auto life = life_at({dso, address_of(function)});
    if (life == nullptr) return __cxa_thread_atexit_impl(function, object, dso);
    auto noted = std::make_unique<noted_destructor>(std::move(life), function, object);
    const int error = __cxa_thread_atexit_impl(run_destructor, noted.get(), &__dso_handle);
    if (error == 0) static_cast<void>(noted.release());
    return error;
}

int create_key(pthread_key_t* key, void (*destructor)(void*)) noexcept {
    const int error = pthread_key_create(key, destructor);
    if (error != 0) return error;
    if (auto life = life_at({address_of(destructor), __builtin_return_address(0), key}))
        image_calls::note_key(*life, *key);
    return 0;
}

int delete_key(pthread_key_t key) noexcept {
    if (auto life = life_at({__builtin_return_address(0)})) image_calls::forget_key(*life, key);
    return pthread_key_delete(key);
}

int create_tss(Py_tss_t* key) noexcept {
    const int error = PyThread_tss_create(key);
    if (error != 0) return error;
    if (auto life = life_at({__builtin_return_address(0), key})) image_calls::note_tss(*life, key);
    return 0;
}

template <void (*Delete)(Py_tss_t*)>
void delete_tss(Py_tss_t* key) noexcept {
    if (auto life = life_at({__builtin_return_address(0), key}))
        image_calls::forget_tss(*life, key);
    Delete(key);
}

int register_fork_handlers(void (*prepare)(), void (*parent)(), void (*child)(),
                           void* dso) noexcept {
    const int error = __register_atfork(prepare, parent, child, dso);
    if (error != 0) return error;
    if (auto life = life_at({dso})) image_calls::note_fork_handlers(*life, dso);
    return 0;
}

// CPython keeps 32 of these for the whole process.
int call_at_exit(void (*function)()) noexcept {
    const auto life = life_at({address_of(function), __builtin_return_address(0)});
    if (life == nullptr) return Py_AtExit(function);
    image_calls::note_at_exit(*life, function);
    return 0;
}

// Images stay until their interpreter has ended, whoever closes them.
int close_in_image(void* handle) noexcept {
    return image_calls::is_handle(handle) ? 0 : dlclose(handle);
}

// Memory that allocators of an image's own have from the system (jemalloc's, mimalloc's).
void* map_memory(void* wanted, std::size_t size, int protection, int flags, int descriptor,
                 off_t offset) noexcept {
    void* made = mmap(wanted, size, protection, flags, descriptor, offset);
    if (made == MAP_FAILED) return made;
    if (auto life = image_calls::of(__builtin_return_address(0)))
        image_calls::note_mapping(*life, made, size);
    return made;
}

int unmap_memory(void* gone, std::size_t size) noexcept {
    // Before: it may be somebody else's right after.
    if (auto life = image_calls::of(__builtin_return_address(0)))
        image_calls::forget_mapping(*life, gone, size);
    return munmap(gone, size);
}

void* remap_memory(void* before, std::size_t size, std::size_t new_size, int flags,
                   void* wanted) noexcept {
    auto life = image_calls::of(__builtin_return_address(0));
    if (life != nullptr) image_calls::forget_mapping(*life, before, size);
    void* made = mremap(before, size, new_size, flags, wanted);
    if (life == nullptr) return made;
    if (made == MAP_FAILED) {
        image_calls::note_mapping(*life, before, size);
    } else {
        image_calls::note_mapping(*life, made, new_size);
    }
    return made;
}

template <class Function>
void* as_pointer(Function* function) {
    return reinterpret_cast<void*>(function);
}

}  // namespace

void image_calls::add(const life_pointer& life, void* handle, const link_map& object,
                      const elf_file& parts) {
    std::uintptr_t start = UINTPTR_MAX, end = 0;
    for (const auto& part : parts.segments()) {
        start = std::min(start, object.l_addr + part.address);
        end = std::max(end, object.l_addr + part.address + part.memory_size);
    }
    registry& all = all_images();
    const std::lock_guard lock(all.mutex);
    all.handles.insert(handle);
    all.by_end[end] = {start, life};
}

void image_calls::remove(const image_life& life, std::span<void* const> handles) noexcept {
    registry& all = all_images();
    const std::lock_guard lock(all.mutex);
    for (void* handle : handles) all.handles.erase(handle);
    std::erase_if(all.by_end, [&](const auto& each) { return each.second.life.get() == &life; });
}

std::shared_ptr<image_life> image_calls::of(const void* address) noexcept {
    registry& all = all_images();
    const auto place = reinterpret_cast<std::uintptr_t>(address);
    const std::shared_lock lock(all.mutex);
    const auto found = all.by_end.upper_bound(place);
    if (found == all.by_end.end() || place < found->second.start) return nullptr;
    return found->second.life;
}

std::vector<std::pair<std::uintptr_t, std::uintptr_t>> image_calls::ranges_of(
    const image_life& life) {
    registry& all = all_images();
    std::vector<std::pair<std::uintptr_t, std::uintptr_t>> ranges;
    const std::shared_lock lock(all.mutex);
    for (const auto& [end, range] : all.by_end)
        if (range.life.get() == &life) ranges.emplace_back(range.start, end);
    return ranges;
}

bool image_calls::is_handle(void* handle) noexcept {
    registry& all = all_images();
    const std::shared_lock lock(all.mutex);
    return all.handles.contains(handle);
}

void* image_calls::replacement(std::string_view name) noexcept {
    if (void* found = thread_replacement(name)) return found;
    if (name == "__cxa_thread_atexit" || name == "__cxa_thread_atexit_impl")
        return as_pointer(note_destructor);
    if (name == "pthread_key_create" || name == "tss_create") return as_pointer(create_key);
    if (name == "pthread_key_delete" || name == "tss_delete") return as_pointer(delete_key);
    if (name == "PyThread_tss_create") return as_pointer(create_tss);
    if (name == "PyThread_tss_delete") return as_pointer(delete_tss<PyThread_tss_delete>);
    if (name == "PyThread_tss_free") return as_pointer(delete_tss<PyThread_tss_free>);
    if (name == "__register_atfork") return as_pointer(register_fork_handlers);
    if (name == "Py_AtExit") return as_pointer(call_at_exit);
    if (name == "mmap" || name == "mmap64") return as_pointer(map_memory);
    if (name == "munmap") return as_pointer(unmap_memory);
    if (name == "mremap") return as_pointer(remap_memory);
    if (name == "dlclose") return as_pointer(close_in_image);
    return nullptr;
}

void image_calls::begin_thread(const std::shared_ptr<image_thread>& thread, image_life& life) {
    const std::lock_guard lock(life.mutex_);
    life.threads_.push_back(thread);
}

void image_calls::end_thread(const std::shared_ptr<image_thread>& thread,
                             image_life& life) noexcept {
    const std::lock_guard lock(life.mutex_);
    std::erase(life.threads_, thread);
}

std::vector<std::shared_ptr<image_thread>> image_calls::threads_of(const image_life& life) {
    const std::lock_guard lock(life.mutex_);
    return life.threads_;
}

bool image_calls::enter(image_life& life) noexcept {
    const std::lock_guard lock(life.mutex_);
    if (life.gone_) return false;
    life.inside_++;
    return true;
}

void image_calls::leave(image_life& life) noexcept {
    const std::lock_guard lock(life.mutex_);
    life.inside_--;
}

void image_calls::note_key(image_life& life, unsigned key) {
    const std::lock_guard lock(life.mutex_);
    life.keys_.push_back(key);
}

void image_calls::forget_key(image_life& life, unsigned key) noexcept {
    const std::lock_guard lock(life.mutex_);
    std::erase(life.keys_, key);
}

void image_calls::note_tss(image_life& life, void* key) {
    const std::lock_guard lock(life.mutex_);
    if (std::ranges::find(life.tss_keys_, key) == life.tss_keys_.end())
        life.tss_keys_.push_back(key);
}

void image_calls::forget_tss(image_life& life, void* key) noexcept {
    const std::lock_guard lock(life.mutex_);
    std::erase(life.tss_keys_, key);
}

void image_calls::note_fork_handlers(image_life& life, void* object) {
    const std::lock_guard lock(life.mutex_);
    life.fork_handlers_of_.push_back(object);
}

void image_calls::note_at_exit(image_life& life, void (*function)()) {
    const std::lock_guard lock(life.mutex_);
    life.at_exit_.push_back(function);
}

void image_calls::note_mapping(image_life& life, void* start, std::size_t size) {
    forget_mapping(life, start, size);
    const std::lock_guard lock(life.mutex_);
    life.mappings_[reinterpret_cast<std::uintptr_t>(start)] = size;
}

// A part of one may go, or several at once.
void image_calls::forget_mapping(image_life& life, void* gone, std::size_t size) noexcept {
    const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const auto start = reinterpret_cast<std::uintptr_t>(gone);
    const std::uintptr_t end = start + ((size + page - 1) & ~(page - 1));
    const std::lock_guard lock(life.mutex_);
    auto each = life.mappings_.lower_bound(start);
    if (each != life.mappings_.begin()) --each;
    while (each != life.mappings_.end() && each->first < end) {
        const std::uintptr_t own = each->first, own_end = own + each->second;
        if (own_end <= start) {
            ++each;
            continue;
        }
        each = life.mappings_.erase(each);
        if (own < start) life.mappings_[own] = start - own;
        if (own_end > end) life.mappings_[end] = own_end - end;
    }
}

}  // namespace allcores::interpreter
