// A timer that a reactor can watch: a tick every so often. Any thread.
#pragma once

#include <chrono>
#include <cstdint>

#include "net/descriptor.h"

namespace allcores::net {

class timer {
 public:
    // Throws std::system_error. Does not tick yet.
    timer();

    int get() const { return descriptor_.get(); }

    // From now on one tick each `interval`; a new interval replaces the old one.
    void tick_every(std::chrono::milliseconds interval) noexcept;

    // Instead, one tick at that time of the steady clock, in nanoseconds.
    void tick_at(std::uint64_t time_ns) noexcept;

    // Takes the ticks that have come. False when there are none: another thread took them.
    bool take() noexcept;

 private:
    descriptor descriptor_;
};

}  // namespace allcores::net
