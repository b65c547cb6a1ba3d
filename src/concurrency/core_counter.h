// A counter that all cores add to at once: each core adds to a cell on a cache line of its own, so
// none waits for another. The sum is exact: every addition is in exactly one result of value() or
// reset(), and in all that begin after it.
//
// A cell that would overflow is emptied into a wider number; so sums have up to 127 bits.
//
// Any thread, with any GIL or none.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

namespace allcores::concurrency {

// (What ISO C++ has no name for.)
__extension__ using wide_int = __int128;

class core_counter {
 public:
    core_counter();
    core_counter(const core_counter&) = delete;
    core_counter& operator=(const core_counter&) = delete;

    void add(std::int64_t number);
    wide_int value() const;
    // The value, and it is 0 from then on.
    wide_int reset();

    // How many cells there are.
    std::size_t cells() const { return mask_ + 1; }

 private:
    struct alignas(64) cell {
        std::atomic<std::int64_t> number{0};
    };

    void carry(cell& full, std::int64_t number);

    const std::size_t mask_;
    const std::unique_ptr<cell[]> cells_;
    mutable std::mutex mutex_;  // guards wide_, and who moves a cell's number
    wide_int wide_ = 0;
};

}  // namespace allcores::concurrency
