#include "memory/frozen_space.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>

#include "concurrency/over_fork.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

namespace allcores::memory {

namespace {

constexpr std::size_t huge_page = 2 << 20;
constexpr std::size_t process_space = std::size_t{1} << 40;
constexpr std::size_t least_space = 1 << 20;

std::size_t page_bytes() {
    static const auto bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    return bytes;
}

std::size_t process_space_bytes() {
    std::size_t bytes = process_space;
    rlimit limit{};
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
        bytes = std::min<std::size_t>(bytes, limit.rlim_cur / 4);
    }
    return bytes;
}

void* map_nothing(void* at, std::size_t bytes, int flags) {
    return mmap(at, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);
}

}  // namespace

frozen_space::frozen_space(std::size_t wanted_bytes) {
    for (std::size_t bytes = wanted_bytes / page_bytes() * page_bytes(); bytes >= least_space;
         bytes = bytes / 2 / page_bytes() * page_bytes()) {
        void* address = map_nothing(nullptr, bytes, 0);
        if (address == MAP_FAILED) continue;
        madvise(address, bytes, MADV_DONTDUMP);
        reserved_ = {static_cast<std::byte*>(address), bytes};
        free_.emplace(reserved_.begin, reserved_.bytes);
        return;
    }
}

frozen_space::~frozen_space() {
    if (reserved_.bytes != 0) munmap(reserved_.begin, reserved_.bytes);
}

frozen_space& frozen_space::process() {
    // Never destroyed: frozen objects are read until the very end of the process.
    static frozen_space* const space = [] {
        auto* made = new frozen_space(process_space_bytes());
        process_begin_.store(reinterpret_cast<std::uintptr_t>(made->reserved_.begin),
                             std::memory_order_relaxed);
        process_bytes_.store(made->reserved_.bytes, std::memory_order_relaxed);
        return made;
    }();
    return *space;
}

// A child of fork must not inherit the lock from a thread that it has not, nor a space that such a
// thread was making: so a fork makes it, if nothing has before.
const int frozen_space::fork_handlers_ =
    concurrency::keep_over_fork<[]() -> std::mutex& { return process().mutex_; }>();

std::size_t frozen_space::whole_pages(std::size_t bytes) {
    const std::size_t page = page_bytes();
    if (bytes > SIZE_MAX - page) throw std::bad_alloc();
    return std::max(page, (bytes + page - 1) / page * page);
}

extent frozen_space::find_free(std::size_t bytes, const std::byte* wanted_at) {
    auto found = free_.end();
    if (wanted_at != nullptr) {
        found = free_.find(const_cast<std::byte*>(wanted_at));
        if (found != free_.end() && found->second < bytes) found = free_.end();
    }
    if (found == free_.end()) {
        found = std::ranges::find_if(free_, [&](const auto& each) { return each.second >= bytes; });
    }
    if (found == free_.end()) throw std::bad_alloc();
    const extent all{found->first, found->second};
    // The rest goes in before the whole comes out, so that a failure to allocate changes nothing.
    if (all.bytes > bytes) free_.emplace(all.begin + bytes, all.bytes - bytes);
    free_.erase(all.begin);
    used_bytes_ += bytes;
    return {all.begin, bytes};
}

void frozen_space::insert_free(extent pages) {
    used_bytes_ -= pages.bytes;
    auto next = free_.lower_bound(pages.begin);
    if (next != free_.begin()) {
        auto before = std::prev(next);
        if (before->first + before->second == pages.begin) {
            before->second += pages.bytes;
            if (next != free_.end() && pages.end() == next->first) {
                before->second += next->second;
                free_.erase(next);
            }
            return;
        }
    }
    if (next != free_.end() && pages.end() == next->first) {
        pages.bytes += next->second;
        auto node = free_.extract(next);
        node.key() = pages.begin;
        node.mapped() = pages.bytes;
        free_.insert(std::move(node));
        return;
    }
    free_.emplace(pages.begin, pages.bytes);
}

extent frozen_space::take(std::size_t bytes, const std::byte* wanted_at) {
    extent pages;
    {
        std::lock_guard lock(mutex_);
        pages = find_free(whole_pages(bytes), wanted_at);
    }
    if (mprotect(pages.begin, pages.bytes, PROT_READ | PROT_WRITE) != 0) {
        give_back(pages);
        throw std::bad_alloc();
    }
    return pages;
}

bool frozen_space::populate(extent pages) noexcept {
    if (pages.bytes >= huge_page) madvise(pages.begin, pages.bytes, MADV_HUGEPAGE);
    while (madvise(pages.begin, pages.bytes, MADV_POPULATE_WRITE) != 0) {
        if (errno == EAGAIN || errno == EINTR) continue;
        return errno == EINVAL || errno == ENOSYS;  // an old kernel
    }
    return true;
}

void frozen_space::give_back(extent pages) noexcept {
    if (pages.bytes == 0) return;
    {
        std::lock_guard lock(mutex_);
        closed_.erase(pages.begin);
    }
    // One call drops the memory and the permission. It can fail for want of room for one more
    // mapping; then the two are taken apart, and if that fails too the addresses are left alone.
    if (map_nothing(pages.begin, pages.bytes, MAP_FIXED) == MAP_FAILED) {
        if (madvise(pages.begin, pages.bytes, MADV_DONTNEED) != 0) return;
        if (mprotect(pages.begin, pages.bytes, PROT_NONE) != 0) return;
    }
    try {
        std::lock_guard lock(mutex_);
        insert_free(pages);
    } catch (...) {
        // No memory for the record of it: the addresses are lost, the memory is not.
    }
}

void frozen_space::close(extent pages) {
    {
        std::lock_guard lock(mutex_);
        closed_.emplace(pages.begin, pages.bytes);
    }
    if (mprotect(pages.begin, pages.bytes, PROT_READ) != 0) throw std::bad_alloc();
}

bool frozen_space::reopen(void* address, bool (*may)(const void* address)) noexcept {
    std::lock_guard lock(mutex_);
    auto next = closed_.upper_bound(static_cast<std::byte*>(address));
    if (next == closed_.begin()) return false;
    const auto [begin, bytes] = *std::prev(next);
    if (static_cast<std::byte*>(address) >= begin + bytes || !may(address)) return false;
    return mprotect(begin, bytes, PROT_READ | PROT_WRITE) == 0;
}

void frozen_space::publish(const void* object) {
    std::lock_guard lock(mutex_);
    published_.insert(object);
}

bool frozen_space::is_published(const void* object) const {
    std::lock_guard lock(mutex_);
    return published_.contains(object);
}

std::size_t frozen_space::used_bytes() const {
    std::lock_guard lock(mutex_);
    return used_bytes_;
}

}  // namespace allcores::memory
