#include "concurrency/parker.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <thread>

namespace allcores::concurrency {
namespace {

using std::chrono::steady_clock;

// Less than what it costs to put a thread to sleep and wake it: then both sides gain.
constexpr std::chrono::microseconds spinning{8};

// After so many times in a row in vain it is left out, but for one time of these.
constexpr int most_worth = 4;
constexpr unsigned tries_again = 16;

void relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

long futex(std::atomic<std::uint32_t>& word, int operation, std::uint32_t value,
           const timespec* until) noexcept {
    static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t));
    return syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word),
                   operation | FUTEX_PRIVATE_FLAG, value, until, nullptr, FUTEX_BITSET_MATCH_ANY);
}

}  // namespace

const std::shared_ptr<parker>& parker::mine() {
    thread_local const std::shared_ptr<parker> own = std::make_shared<parker>();
    return own;
}

void parker::ring(std::uint64_t) noexcept {
    if (state_.exchange(rung, std::memory_order_release) == sleeping)
        futex(state_, FUTEX_WAKE, 1, nullptr);
}

// Whether it was rung meanwhile.
bool parker::spin() noexcept {
    const auto enough = steady_clock::now() + spinning;
    do {
        for (int i = 0; i < 8; ++i) {
            if (state_.load(std::memory_order_acquire) == rung) return true;
            relax();
        }
    } while (steady_clock::now() < enough);
    return false;
}

parker::outcome parker::park(time_point until) noexcept {
    static const bool can_spin = std::thread::hardware_concurrency() > 1;
    if (can_spin && state_.load(std::memory_order_acquire) != rung &&
        (worth_ > 0 || ++left_out_ % tries_again == 0)) {
        worth_ = spin() ? std::min(worth_ + 1, most_worth) : std::max(worth_ - 1, 0);
    }
    outcome result = outcome::woken;
    std::uint32_t expected = quiet;
    if (state_.compare_exchange_strong(expected, sleeping, std::memory_order_acquire)) {
        timespec deadline{};
        const bool forever = until == time_point::max();
        if (!forever) {
            const auto since = std::chrono::nanoseconds(until.time_since_epoch()).count();
            deadline.tv_sec = static_cast<time_t>(since / 1'000'000'000);
            deadline.tv_nsec = static_cast<long>(since % 1'000'000'000);
        }
        const long status =
            futex(state_, FUTEX_WAIT_BITSET, sleeping, forever ? nullptr : &deadline);
        if (status != 0 && errno == EINTR) result = outcome::signalled;
        if (status != 0 && errno == ETIMEDOUT) result = outcome::timed_out;
    }
    if (state_.exchange(quiet, std::memory_order_acquire) == rung) return outcome::woken;
    return result;
}

}  // namespace allcores::concurrency
