#include "concurrency/core_counter.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <bit>

namespace allcores::concurrency {
namespace {

constexpr std::size_t most_cells = 64;

std::size_t mask_for_this_machine() {
    const long cores = sysconf(_SC_NPROCESSORS_CONF);
    const std::size_t wanted = cores < 1 ? 1 : static_cast<std::size_t>(cores);
    return std::min(std::bit_ceil(wanted), most_cells) - 1;
}

}  // namespace

core_counter::core_counter()
    : mask_(mask_for_this_machine()), cells_(std::make_unique<cell[]>(mask_ + 1)) {}

void core_counter::add(std::int64_t number) {
    // (The thread may go to another core in between: then two add to one cell, which is as right.)
    const int core = sched_getcpu();
    cell& own = cells_[static_cast<std::size_t>(core < 0 ? 0 : core) & mask_];
    std::int64_t before = own.number.load(std::memory_order_relaxed);
    std::int64_t after = 0;
    do {
        if (__builtin_add_overflow(before, number, &after)) return carry(own, number);
    } while (!own.number.compare_exchange_weak(before, after, std::memory_order_relaxed));
}

void core_counter::carry(cell& full, std::int64_t number) {
    const std::lock_guard lock(mutex_);
    wide_ += full.number.exchange(0, std::memory_order_relaxed);
    wide_ += number;
}

wide_int core_counter::value() const {
    const std::lock_guard lock(mutex_);
    wide_int sum = wide_;
    for (std::size_t i = 0; i <= mask_; ++i)
        sum += cells_[i].number.load(std::memory_order_relaxed);
    return sum;
}

wide_int core_counter::reset() {
    const std::lock_guard lock(mutex_);
    wide_int sum = wide_;
    wide_ = 0;
    for (std::size_t i = 0; i <= mask_; ++i)
        sum += cells_[i].number.exchange(0, std::memory_order_relaxed);
    return sum;
}

}  // namespace allcores::concurrency
