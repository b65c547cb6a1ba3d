#include "concurrency/parker.h"

namespace allcores::concurrency {
namespace {

// Less than what it costs to put a thread to sleep and wake it: then both sides gain.
constexpr std::chrono::microseconds spinning{8};
// What that may cost, the other side's included.
constexpr std::chrono::microseconds waking{100};

}  // namespace

const std::shared_ptr<parker>& parker::mine() {
    return sync::own<parker>();
}

void parker::ring(std::uint64_t) noexcept {
    if (state_.exchange(rung, std::memory_order_release) == sleeping) sync::wake(state_);
}

// Whether it was rung meanwhile.
bool parker::spin(std::chrono::microseconds longest) noexcept {
    const auto enough = sync::now() + longest;
    do {
        for (int i = 0; i < 8; ++i) {
            if (state_.load(std::memory_order_acquire) == rung) return true;
            sync::relax();
        }
    } while (sync::now() < enough);
    return false;
}

parker::outcome parker::park(time_point until) noexcept {
    if (sync::is_parallel() && state_.load(std::memory_order_acquire) != rung) {
        if (brief_sleeps_ >= many_brief_sleeps) {
            brief_sleeps_ = 0;
            later_.learn(spin(waking));
        } else if (later_.is_due()) {
            later_.learn(spin(spinning));
        }
    }
    outcome result = outcome::woken;
    std::uint32_t expected = quiet;
    if (state_.compare_exchange_strong(expected, sleeping, std::memory_order_acquire)) {
        const auto began = sync::now();
        const sync::sleep_end how = sync::sleep(state_, sleeping, until);
        brief_sleeps_ = sync::now() - began < waking ? brief_sleeps_ + 1 : 0;
        if (how == sync::sleep_end::signalled) result = outcome::signalled;
        if (how == sync::sleep_end::timed_out) result = outcome::timed_out;
    }
    if (state_.exchange(quiet, std::memory_order_acquire) == rung) return outcome::woken;
    return result;
}

}  // namespace allcores::concurrency
