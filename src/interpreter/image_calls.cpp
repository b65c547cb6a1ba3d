#include "interpreter/image_calls.h"

#include <Python.h>
#include <dlfcn.h>
#include <link.h>
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

namespace allcores::interpreter {
namespace {

using life_pointer = std::shared_ptr<image_life>;

// Guarded by its mutex. Never destroyed: threads end while the process does.
struct registry {
    struct range {
        std::uintptr_t start;
        life_pointer life;
        std::uintptr_t code_start, code_end;
    };
    std::shared_mutex mutex;
    std::map<std::uintptr_t, range> by_end;
    std::set<void*> handles;
};
registry& all_images() {
    static auto* all = new registry;
    return *all;
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
    std::uintptr_t start = UINTPTR_MAX, end = 0, code_start = UINTPTR_MAX, code_end = 0;
    for (const auto& part : parts.segments()) {
        start = std::min(start, object.l_addr + part.address);
        end = std::max(end, object.l_addr + part.address + part.memory_size);
        if (!part.executable) continue;
        code_start = std::min(code_start, object.l_addr + part.address);
        code_end = std::max(code_end, object.l_addr + part.address + part.memory_size);
    }
    registry& all = all_images();
    const std::lock_guard lock(all.mutex);
    all.handles.insert(handle);
    all.by_end[end] = {start, life, std::min(code_start, code_end), code_end};
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

std::vector<std::pair<std::uintptr_t, std::uintptr_t>> image_calls::code_of(
    const image_life& life) {
    registry& all = all_images();
    std::vector<std::pair<std::uintptr_t, std::uintptr_t>> ranges;
    const std::shared_lock lock(all.mutex);
    for (const auto& [end, range] : all.by_end)
        if (range.life.get() == &life) ranges.emplace_back(range.code_start, range.code_end);
    return ranges;
}

std::vector<pid_t> image_calls::all_threads() {
    std::set<life_pointer> lives;
    {
        registry& all = all_images();
        const std::shared_lock lock(all.mutex);
        for (const auto& [end, range] : all.by_end) lives.insert(range.life);
    }
    std::vector<pid_t> numbers;
    for (const auto& life : lives)
        for (const auto& thread : threads_of(*life)) numbers.push_back(number_of(*thread));
    return numbers;
}

bool image_calls::is_handle(void* handle) noexcept {
    registry& all = all_images();
    const std::shared_lock lock(all.mutex);
    return all.handles.contains(handle);
}

void* image_calls::replacement(std::string_view name) noexcept {
    if (void* found = thread_replacement(name)) return found;
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
