#include "memory/block_heap.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <new>
#include <utility>
#include <vector>

#include "concurrency/over_fork.h"

namespace allcores::memory {
namespace {

constexpr std::size_t most_reserved = std::size_t{64} << 30;
constexpr std::size_t least_reserved = std::size_t{64} << 20;
// Memory is made usable in steps, to have few calls.
constexpr std::size_t spans_in_a_step = 64;
// Empty spans that a heap keeps with their memory, as it may need them again right away.
constexpr unsigned kept_empty = 4;

}  // namespace

constinit block_heap::reserved block_heap::range_;
constinit thread_local block_heap::blocks_at_hand* block_heap::at_hand = nullptr;

// Spans that no heap has. Never destroyed.
struct block_heap::supply {
    std::mutex mutex;  // guards what follows
    std::vector<span*> free;
    std::size_t begun = 0;   // spans that were ever given out, from the start
    std::size_t usable = 0;  // those whose memory may be touched
    std::size_t count = 0;
    std::uint64_t last_id = 0;
    pthread_key_t at_thread_end = 0;
    bool has_key = false;

    supply() noexcept {
        std::size_t size = most_reserved;
        rlimit limit{};
        if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
            size = std::min<std::size_t>(size, limit.rlim_cur / 8 / span_size * span_size);
        for (; size >= least_reserved; size /= 2)
            if (reserve(size)) break;
        concurrency::keep_over_fork<[]() -> std::mutex& { return all_spans().mutex; }>();
    }
    bool reserve(std::size_t size) noexcept {
        constexpr int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
        void* start = mmap(nullptr, size + span_size, PROT_NONE, flags, -1, 0);
        if (start == MAP_FAILED) return false;
        const std::size_t table = size / span_size * sizeof(span);
        void* spans = mmap(nullptr, table, PROT_READ | PROT_WRITE, flags, -1, 0);
        has_key = spans != MAP_FAILED && pthread_key_create(&at_thread_end, end_of_thread) == 0;
        if (!has_key) {
            munmap(start, size + span_size);
            if (spans != MAP_FAILED) munmap(spans, table);
            return false;
        }
        const auto address = reinterpret_cast<std::uintptr_t>(start);
        count = size / span_size;
        range_.spans.store(static_cast<span*>(spans), std::memory_order_relaxed);
        range_.start.store((address + span_size - 1) & ~(span_size - 1), std::memory_order_relaxed);
        range_.size.store(size, std::memory_order_relaxed);
        return true;
    }

    // With the mutex. Null when there is no memory.
    span* take() noexcept {
        if (!free.empty()) {
            span* found = free.back();
            free.pop_back();
            return found;
        }
        if (begun == count) return nullptr;
        span* found = range_.spans.load(std::memory_order_relaxed) + begun;
        if (begun == usable) {
            const std::size_t step = std::min(spans_in_a_step, count - usable);
            if (mprotect(start_of(*found), step * span_size, PROT_READ | PROT_WRITE) != 0)
                return nullptr;
            usable += step;
        }
        begun++;
        return found;
    }
};

block_heap::supply& block_heap::all_spans() noexcept {
    static auto* all = new supply;
    return *all;
}

void* block_heap::start_of(const span& its) noexcept {
    const auto number =
        static_cast<std::size_t>(&its - range_.spans.load(std::memory_order_relaxed));
    return reinterpret_cast<void*>(range_.start.load(std::memory_order_relaxed) +
                                   number * span_size);
}

// What this thread has of a heap comes to the front, made when there is nothing yet. What it has of
// heaps that are dropped goes. Null when there is no memory.
block_heap::blocks_at_hand* block_heap::find_at_hand(block_heap& heap) noexcept {
    const std::uint64_t id = heap.id_.load();
    blocks_at_hand* found = nullptr;
    for (blocks_at_hand** place = &at_hand; *place != nullptr;) {
        blocks_at_hand* each = *place;
        const bool is_dropped = each->heap->id_.load() != each->heap_id;
        if (!is_dropped && each->heap_id != id) {
            place = &each->other;
            continue;
        }
        *place = each->other;
        if (is_dropped) {
            std::free(each);
        } else {
            found = each;
        }
    }
    if (found == nullptr && id != 0) {
        found = static_cast<blocks_at_hand*>(std::calloc(1, sizeof(blocks_at_hand)));
        if (found == nullptr) return nullptr;
        found->heap_id = id;
        found->heap = &heap;
    }
    if (found == nullptr) return nullptr;
    found->other = at_hand;
    at_hand = found;
    pthread_setspecific(all_spans().at_thread_end, found);
    return found;
}

void block_heap::end_of_thread(void*) noexcept {
    while (blocks_at_hand* mine = at_hand) {
        for (unsigned i = 0; i < class_count; i++) give_back(*mine, i, mine->bins[i].count);
        at_hand = mine->other;
        std::free(mine);
    }
}

void* block_heap::allocate_slowly(unsigned size_class) noexcept {
    const int error_before = errno;
    if (id_.load() == 0) {
        supply& all = all_spans();
        const std::scoped_lock lock(mutex_, all.mutex);
        if (id_.load() == 0) id_.store(++all.last_id);
    }
    blocks_at_hand* mine = all_spans().count == 0 ? nullptr : find_at_hand(*this);
    if (mine == nullptr) return nullptr;
    auto& bin = mine->bins[size_class];
    if (bin.first == nullptr) {
        const std::lock_guard lock(mutex_);
        const std::size_t size = size_of_class(size_class);
        while (bin.count < batch_of(size_class)) {
            span* from = span_with_room(size_class);
            if (from == nullptr) break;
            void* block = from->free;
            if (block != nullptr) {
                from->free = from->free->next;
            } else {
                block = static_cast<char*>(start_of(*from)) + size * from->cut++;
            }
            from->used++;
            if (from->free == nullptr && from->cut == from->capacity)
                unlink(with_room_[size_class], *from);
            bin.first = new (block) free_block{bin.first};
            bin.count++;
        }
    }
    errno = error_before;
    free_block* block = bin.first;
    if (block == nullptr) return nullptr;
    bin.first = block->next;
    bin.count--;
    return block;
}

void block_heap::release_slowly(void* block) noexcept {
    const int error_before = errno;
    span& its = span_of(block);
    if (blocks_at_hand* mine = find_at_hand(*its.heap)) {
        auto& bin = mine->bins[its.size_class];
        if (bin.count >= its.most_at_hand)
            give_back(*mine, its.size_class, bin.count - batch_of(its.size_class));
        bin.first = new (block) free_block{bin.first};
        bin.count++;
    } else {
        const std::lock_guard lock(its.heap->mutex_);
        its.heap->take_back(block);
    }
    errno = error_before;
}

void block_heap::give_back(blocks_at_hand& mine, unsigned size_class,
                           std::uint32_t count) noexcept {
    if (count == 0) return;
    const std::lock_guard lock(mine.heap->mutex_);
    if (mine.heap->id_.load() != mine.heap_id) return;
    auto& bin = mine.bins[size_class];
    for (; count > 0; count--) {
        free_block* block = bin.first;
        bin.first = block->next;
        bin.count--;
        mine.heap->take_back(block);
    }
}

void block_heap::link(span*& list, span& its) noexcept {
    its.previous = nullptr;
    its.next = list;
    if (list != nullptr) list->previous = &its;
    list = &its;
}

void block_heap::unlink(span*& list, span& its) noexcept {
    if (its.previous != nullptr) {
        its.previous->next = its.next;
    } else {
        list = its.next;
    }
    if (its.next != nullptr) its.next->previous = its.previous;
}

block_heap::span* block_heap::span_with_room(unsigned size_class) noexcept {
    if (span* found = with_room_[size_class]) return found;
    span* made = empty_;
    if (made != nullptr) {
        unlink(empty_, *made);
        empty_count_--;
    } else {
        supply& all = all_spans();
        const std::lock_guard lock(all.mutex);
        made = all.take();
        if (made == nullptr) return nullptr;
        made->heap = this;
        made->heap_id = id_.load();
        made->owned = owned_;
        owned_ = made;
    }
    made->size_class = static_cast<std::uint16_t>(size_class);
    made->most_at_hand = static_cast<std::uint16_t>(2 * batch_of(size_class));
    made->used = made->cut = 0;
    made->capacity = static_cast<std::uint32_t>(span_size / size_of_class(size_class));
    made->free = nullptr;
    link(with_room_[size_class], *made);
    return made;
}

void block_heap::take_back(void* block) noexcept {
    span& its = span_of(block);
    const bool was_full = its.free == nullptr && its.cut == its.capacity;
    its.free = new (block) free_block{its.free};
    its.used--;
    if (its.used == 0) {
        if (!was_full) unlink(with_room_[its.size_class], its);
        link(empty_, its);
        if (++empty_count_ > kept_empty) madvise(start_of(its), span_size, MADV_DONTNEED);
    } else if (was_full) {
        link(with_room_[its.size_class], its);
    }
}

void block_heap::drop() noexcept {
    const std::lock_guard lock(mutex_);
    if (id_.load() == 0) return;
    id_.store(0);
    supply& all = all_spans();
    const std::lock_guard lock_all(all.mutex);
    for (span* each = owned_; each != nullptr; each = std::exchange(each->owned, nullptr)) {
        madvise(start_of(*each), span_size, MADV_DONTNEED);
        each->heap_id = 0;
        all.free.push_back(each);
    }
    owned_ = empty_ = nullptr;
    empty_count_ = 0;
    std::ranges::fill(with_room_, nullptr);
}

std::size_t block_heap::taken() noexcept {
    const std::lock_guard lock(mutex_);
    std::size_t size = 0;
    for (span* each = owned_; each != nullptr; each = each->owned) size += span_size;
    return size;
}

}  // namespace allcores::memory
