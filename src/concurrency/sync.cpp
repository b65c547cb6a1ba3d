#include "concurrency/sync.h"

#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

namespace allcores::concurrency::sync {
namespace {

long futex(atomic<std::uint32_t>& word, int operation, std::uint32_t value,
           const timespec* until) noexcept {
    static_assert(sizeof(atomic<std::uint32_t>) == sizeof(std::uint32_t));
    return syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word),
                   operation | FUTEX_PRIVATE_FLAG, value, until, nullptr, FUTEX_BITSET_MATCH_ANY);
}

// Every thread of the process has done all that comes before this in its program, as far as it had
// begun it, and has not begun what comes after. False where the kernel can't.
bool synchronize_all_threads() noexcept {
    const auto membarrier = [](int command) { return syscall(SYS_membarrier, command, 0, 0) == 0; };
    return membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) ||
           (membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) &&
            membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED));
}

}  // namespace

sleep_end sleep(atomic<std::uint32_t>& word, std::uint32_t value, time_point until) noexcept {
    timespec deadline{};
    const bool forever = until == time_point::max();
    if (!forever) {
        const auto since = std::chrono::nanoseconds(until.time_since_epoch()).count();
        deadline.tv_sec = static_cast<time_t>(since / 1'000'000'000);
        deadline.tv_nsec = static_cast<long>(since % 1'000'000'000);
    }
    const long status = futex(word, FUTEX_WAIT_BITSET, value, forever ? nullptr : &deadline);
    if (status != 0 && errno == EINTR) return sleep_end::signalled;
    if (status != 0 && errno == ETIMEDOUT) return sleep_end::timed_out;
    return sleep_end::woken;
}

void wake(atomic<std::uint32_t>& word) noexcept {
    futex(word, FUTEX_WAKE, 1, nullptr);
}

void mutex::wait() noexcept {
    constexpr int looks = 100;
    constexpr std::chrono::milliseconds unseen_for{1};
    for (int i = 0; i < looks && is_parallel(); ++i) {
        relax();
        std::uint32_t expected = open;
        if (state_.load(std::memory_order_relaxed) == open &&
            state_.compare_exchange_strong(expected, taken, std::memory_order_acquire)) {
            return;
        }
    }
    // Whoever unlocks from now on sees that somebody sleeps, or what it unlocked is seen here. If
    // the kernel can't have it so, a wake-up may be missed: then it looks again soon.
    sleepers_.fetch_add(1, std::memory_order_seq_cst);
    const bool is_seen = synchronize_all_threads();
    for (;;) {
        std::uint32_t expected = open;
        if (state_.compare_exchange_strong(expected, taken, std::memory_order_acquire)) break;
        static_cast<void>(sleep(state_, taken, is_seen ? time_point::max() : now() + unseen_for));
    }
    sleepers_.fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace allcores::concurrency::sync
