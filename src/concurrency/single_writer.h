// Counters that one thread writes and any thread reads: statistics. Increments are a plain load and
// store, not a locked instruction, which is what makes them cheap enough to keep always. Readers
// see each counter whole, but no order between two counters; nothing may be decided from them.
#pragma once

#include <atomic>
#include <cstdint>

namespace allcores::concurrency {

// Writer: one thread at a time. Readers: any. Relaxed: nothing is published through it.
class single_writer_counter {
 public:
    void add(std::uint64_t amount) {
        value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
    }
    void set(std::uint64_t value) { value_.store(value, std::memory_order_relaxed); }
    std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
    std::atomic<std::uint64_t> value_{0};
};

}  // namespace allcores::concurrency
