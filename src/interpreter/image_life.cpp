// Which images there are, and their end.
#include "interpreter/image_life.h"

#include <Python.h>
#include <dlfcn.h>
#include <link.h>
#include <signal.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

#include "interpreter/image_allocation.h"
#include "interpreter/image_calls.h"
#include "interpreter/image_keys.h"
#include "interpreter/image_owner.h"
#include "interpreter/image_parsers.h"
#include "interpreter/image_stacks.h"
#include "interpreter/image_threads.h"
#include "interpreter/runtime_list.h"

namespace allcores::interpreter {
namespace {

// What can't be noted, or taken back: hooks of the whole process, and threads that nobody sees
// start.
constexpr std::array untraceable = {
    "PySys_AddAuditHook",
    "PyMem_SetAllocator",
    "PyObject_SetArenaAllocator",
    "PyRefTracer_SetTracer",
    "timer_create",
    "mq_notify",
    "aio_read",
    "aio_write",
    "aio_fsync",
    "lio_listio",
    "getaddrinfo_a",
    "clone",
    "clone3",
    "_ZNSt6thread15_M_start_threadESt10shared_ptrINS_10_Impl_baseEE",
    "_ZNSt6thread15_M_start_threadESt10shared_ptrINS_10_Impl_baseEEPFvvE",
};

// What is not at rest by then has something to do, or waits for what can come.
constexpr int most_tries = 20;

}  // namespace

void* image_life::replacement(std::string_view name) noexcept {
    return image_calls::replacement(name);
}

void image_life::add(void* handle, const link_map& object, const elf_file& parts) {
    {
        const std::lock_guard lock(mutex_);
        handles_.push_back(handle);
    }
    image_calls::add(shared_from_this(), handle, object, parts);
}

void image_life::imports(std::string_view name) noexcept {
    if (std::ranges::find(untraceable, name) != untraceable.end() ||
        (name.starts_with("_PyArg_") && !parsers_are_known())) {
        pin();
    }
}

void image_life::pin() noexcept {
    const std::lock_guard lock(mutex_);
    pinned_ = true;
}

void image_life::owned_by(std::size_t number) noexcept {
    const std::lock_guard lock(mutex_);
    owner_ = number;
}

void image_life::free_later(void* block) {
    const std::lock_guard lock(mutex_);
    freed_later_.push_back(block);
}

bool image_life::is_empty() const noexcept {
    const std::lock_guard lock(mutex_);
    return handles_.empty();
}

// With the mutex.
bool image_life::is_at_rest() noexcept {
    for (int number = 1; number < NSIG; number++) {
        struct sigaction action;
        if (sigaction(number, nullptr, &action) == 0 &&
            image_calls::of(reinterpret_cast<void*>(action.sa_handler)).get() == this) {
            return false;
        }
    }
    return image_calls::of(reinterpret_cast<void*>(PyOS_InputHook)).get() != this;
}

image_life::rest image_life::unload() noexcept {
    bool has_threads;
    {
        const std::lock_guard lock(mutex_);
        if (pinned_) return rest::never;
        if (!is_at_rest()) return rest::not_yet;
        has_threads = !threads_.empty();
        if (tries_++ >= most_tries) return rest::never;
    }
    std::optional<held_threads> held;
    if (has_threads && !held.emplace(*this)) return rest::not_yet;
    // Threads that are counted are held, or are another interpreter's images'; those that have a
    // state are another interpreter's.
    auto known = image_calls::all_threads();
    known.append_range(python_threads());
    if (is_on_a_stack(image_calls::code_of(*this), known)) return rest::not_yet;
    // 1. Threads. Nothing is called at their ends: the owner's gate is shut.
    if (held && !held->end()) return rest::never;
    // 2. The images, users before what they need.
    std::vector<void*> handles;
    {
        const std::lock_guard lock(mutex_);
        handles.swap(handles_);
    }
    forget_parsers(image_calls::ranges_of(*this));
    image_calls::remove(*this, handles);
    for (auto handle = handles.rbegin(); handle != handles.rend(); ++handle) dlclose(*handle);
    for (void* block : std::exchange(freed_later_, {})) std::free(block);
    // 3. What their own allocators had.
    for (const auto& [start, size] : mappings_) munmap(reinterpret_cast<void*>(start), size);
    // 4. What they had allocated, and the number by which they knew their owner.
    if (owner_) {
        image_keys::remove_all(*owner_);
        drop_allocations(*owner_);
        image_owner::free(*owner_);
    }
    return rest::unloaded;
}

}  // namespace allcores::interpreter
