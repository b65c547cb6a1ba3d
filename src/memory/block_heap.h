// A heap of small blocks, all of which can be dropped at once; any number of heaps, in one reserved
// range of addresses, so that of any block it is known whether it is from here, and of which heap.
//
// Why not malloc: what code leaves behind for good, static objects that are never destroyed for
// one, stays when that code is unloaded, a little in every page. Here it goes, with its pages.
//
// A heap takes spans of 64 KiB from the range, each for blocks of one size. A thread takes blocks
// from its heap by the dozen, under the heap's lock, and has them at hand: most calls touch nothing
// that threads share. (As tcmalloc does it.)
//
// Every function but drop() is callable from any thread. A heap lives for good, as threads may have
// blocks of it at hand; drop() makes it a new one.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <new>

namespace allcores::memory {

class block_heap {
 public:
    static constexpr std::size_t largest = 32 << 10;
    static constexpr std::size_t alignment = 16;

    constexpr block_heap() = default;
    block_heap(const block_heap&) = delete;
    block_heap& operator=(const block_heap&) = delete;

    // A block, aligned to 16 bytes, or to its own size when that is a power of two. Null when the
    // size is more than `largest`, and when there is no memory.
    void* allocate(std::size_t size) noexcept {
        if (size > largest) return nullptr;
        const unsigned size_class = class_of(size);
        blocks_at_hand* mine = at_hand;
        if (mine != nullptr && mine->heap_id == id_.load(std::memory_order_relaxed)) [[likely]] {
            auto& bin = mine->bins[size_class];
            if (free_block* block = bin.first) [[likely]] {
                bin.first = block->next;
                bin.count--;
                return block;
            }
        }
        return allocate_slowly(size_class);
    }

    // Whether a block is of one of the heaps.
    static bool contains(const void* block) noexcept {
        return reinterpret_cast<std::uintptr_t>(block) -
                   range_.start.load(std::memory_order_relaxed) <
               range_.size.load(std::memory_order_relaxed);
    }
    // Of a block of one of the heaps: its size, which may be more than was asked for.
    static std::size_t size_of(const void* block) noexcept {
        return size_of_class(span_of(block).size_class);
    }
    static block_heap& heap_of(const void* block) noexcept { return *span_of(block).heap; }
    static void release(void* block) noexcept {
        const span& its = span_of(block);
        blocks_at_hand* mine = at_hand;
        if (mine != nullptr && mine->heap_id == its.heap_id) [[likely]] {
            auto& bin = mine->bins[its.size_class];
            if (bin.count < its.most_at_hand) [[likely]] {
                bin.first = new (block) free_block{bin.first};
                bin.count++;
                return;
            }
        }
        release_slowly(block);
    }

    // All of its blocks are gone, their memory goes back to the system. Nobody uses one, or the
    // heap, any more.
    void drop() noexcept;
    // What it has taken from the range, in bytes, with what is free in there.
    std::size_t taken() noexcept;

 private:
    static constexpr std::size_t span_size = 64 << 10;
    static constexpr unsigned class_count = 40;

    struct free_block {
        free_block* next;
    };
    // What is known of a span. Its id and its class's part change only while no block of it is in
    // use, all else with its heap's mutex.
    struct alignas(64) span {
        std::uint64_t heap_id;
        block_heap* heap;
        std::uint16_t size_class;
        std::uint16_t most_at_hand;  // of its class, by a thread
        std::uint32_t used;          // blocks in use or at hand
        std::uint32_t cut;           // blocks that were ever given out, from the start
        std::uint32_t capacity;      // in blocks
        free_block* free;
        span* next;  // among those of the class that have room, or among the empty ones
        span* previous;
        span* owned;  // the next of all that the heap has
    };
    struct blocks_at_hand {
        std::uint64_t heap_id;
        block_heap* heap;
        blocks_at_hand* other;  // this thread's, of another heap
        struct bin {
            free_block* first;
            std::uint32_t count;
        };
        bin bins[class_count];
    };
    struct reserved {
        // Written once, before there is any block. No address is near the first value.
        std::atomic<std::uintptr_t> start = std::uintptr_t{1} << 62;
        std::atomic<std::uintptr_t> size = 0;
        std::atomic<span*> spans = nullptr;
    };
    struct supply;

    // Sixteen bytes each up to 128, then four for each doubling.
    static constexpr unsigned class_of(std::size_t size) noexcept {
        if (size <= 128) return size == 0 ? 0 : static_cast<unsigned>((size - 1) / 16);
        const auto bits = static_cast<unsigned>(64 - __builtin_clzl(size - 1));
        return 8 + (bits - 8) * 4 + static_cast<unsigned>((size - 1) >> (bits - 3)) - 4;
    }
    static constexpr std::size_t size_of_class(unsigned number) noexcept {
        if (number < 8) return 16 * (number + 1);
        return std::size_t{5 + number % 4} << (5 + number / 4 - 2);
    }
    // How many blocks a thread takes or gives at once, about.
    static constexpr std::uint32_t batch_of(unsigned number) noexcept {
        const std::size_t fitting = 8192 / size_of_class(number);
        return static_cast<std::uint32_t>(fitting > 32 ? 32 : (fitting < 1 ? 1 : fitting));
    }

    static span& span_of(const void* block) noexcept {
        const std::uintptr_t offset =
            reinterpret_cast<std::uintptr_t>(block) - range_.start.load(std::memory_order_relaxed);
        return range_.spans.load(std::memory_order_relaxed)[offset / span_size];
    }
    static void* start_of(const span& its) noexcept;
    static supply& all_spans() noexcept;

    void* allocate_slowly(unsigned size_class) noexcept;
    static void release_slowly(void* block) noexcept;
    static blocks_at_hand* find_at_hand(block_heap& heap) noexcept;
    static void give_back(blocks_at_hand& mine, unsigned size_class, std::uint32_t count) noexcept;
    static void end_of_thread(void* first) noexcept;

    // With the mutex.
    span* span_with_room(unsigned size_class) noexcept;
    void take_back(void* block) noexcept;
    void link(span*& list, span& its) noexcept;
    void unlink(span*& list, span& its) noexcept;

    static reserved range_;
    // Of the heap that this thread used last; the others follow. Without a destructor: threads come
    // here while their thread-locals are being destroyed. (With this model it costs one load.)
    [[gnu::tls_model("initial-exec")]] static thread_local constinit blocks_at_hand* at_hand;

    // Another one after each drop(), never the same of two heaps; 0: it has no blocks yet. Written
    // with the mutex; threads compare it with what they have at hand, which pairs with nothing.
    std::atomic<std::uint64_t> id_ = 0;
    std::mutex mutex_;  // guards what follows, and its spans
    span* with_room_[class_count] = {};
    span* empty_ = nullptr;
    unsigned empty_count_ = 0;
    span* owned_ = nullptr;
};

}  // namespace allcores::memory
