// Where frozen objects live: one range of addresses, reserved once for the process, so that "is
// this object frozen?" is a comparison. Arenas (arena.h) take extents of it, fill them, and close
// them read-only; a write to a closed one faults, which is the proof that frozen data is shared
// safely and the net under it.
//
// Plain memory, no Python. Any thread may call anything here.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <unordered_set>

namespace allcores::memory {

// Whole pages of a frozen_space.
struct extent {
    std::byte* begin = nullptr;
    std::size_t bytes = 0;

    std::byte* end() const { return begin + bytes; }
};

class frozen_space {
 public:
    // Reserves addresses only, no memory: `wanted_bytes` or, halving on refusal, what the system
    // gives. A space that got nothing is empty, and every take() from it fails.
    explicit frozen_space(std::size_t wanted_bytes);
    ~frozen_space();
    frozen_space(const frozen_space&) = delete;
    frozen_space& operator=(const frozen_space&) = delete;

    // The process's own, reserved on first use and never given back. 1 TiB, and at most a quarter
    // of a finite RLIMIT_AS, since reserved addresses count there.
    static frozen_space& process();

    // Whether an address lies in process(). Callable at any time; false before the first freeze.
    static bool contains(const void* address) noexcept {
        return reinterpret_cast<std::uintptr_t>(address) -
                   process_begin_.load(std::memory_order_relaxed) <
               process_bytes_.load(std::memory_order_relaxed);
    }

    // The bytes of so many bytes' pages. Throws std::bad_alloc for an absurd number.
    static std::size_t whole_pages(std::size_t bytes);

    // At least `bytes`, writable; at `wanted_at` when these addresses are free. Throws
    // std::bad_alloc when the space or the system's memory is used up; then nothing is held.
    extent take(std::size_t bytes, const std::byte* wanted_at = nullptr);

    // Backs pages with memory now: one call instead of a fault a page, which is most of the cost of
    // a freeze. False when the system's memory is used up. Where the kernel is too old for it
    // (before 5.14), true, and they fault one by one.
    static bool populate(extent pages) noexcept;

    // Takes pages back: their memory returns to the system, their addresses to the space. Never
    // fails (addresses that the system refuses to take back are not used again).
    void give_back(extent pages) noexcept;

    // Makes pages read-only. Throws std::bad_alloc when the system has no room for one more
    // mapping.
    void close(extent pages);

    // For who may write there after all (memory/counted_pages.h): makes the extent that was closed
    // with this address in it writable again, if `may`, given the address, says so. False: it did
    // not, or no extent has it, or the system refuses. In a signal handler, for a fault in code
    // that is not ours.
    bool reopen(void* address, bool (*may)(const void* address)) noexcept;

    // Addresses that were given out as the start of an object (see data/frozen.h), so that a number
    // that comes back from elsewhere can be checked.
    void publish(const void* object);
    bool is_published(const void* object) const;

    std::size_t reserved_bytes() const { return reserved_.bytes; }
    // Bytes that are held by arenas now.
    std::size_t used_bytes() const;

 private:
    extent find_free(std::size_t bytes, const std::byte* wanted_at);
    void insert_free(extent pages);

    // Written by process() once, before any address of the space is known to anybody; what hands
    // over such an address also orders these, so relaxed loads do.
    static inline std::atomic<std::uintptr_t> process_begin_{0};
    static inline std::atomic<std::size_t> process_bytes_{0};

    static const int fork_handlers_;  // registered as the module is loaded

    extent reserved_;           // set by the constructor, then constant
    mutable std::mutex mutex_;  // guards all below; held for no system call but
                                // those of fork's handlers, and for what is opened again
    std::map<std::byte*, std::size_t> free_;    // begin -> bytes, neighbours joined
    std::map<std::byte*, std::size_t> closed_;  // the same, as they were closed
    std::size_t used_bytes_ = 0;
    std::unordered_set<const void*> published_;
};

}  // namespace allcores::memory
