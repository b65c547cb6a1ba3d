#include "memory/counted_pages.h"

#include <atomic>
#include <csignal>
#include <mutex>

#include "memory/frozen_space.h"

namespace allcores::memory {
namespace {

std::atomic<std::uint64_t> frozen_word{0};

// The handler that was there before. Written with the mutex; read by the handler, which may see the
// one before a new one: both were somebody's.
struct sigaction earlier;
std::mutex installing;

// While the handler before runs: faulthandler's puts back what was there when it came, which may be
// ours, and raises the signal again, which then is not for it.
std::atomic<bool> passes_on{false};

// Counts that were taken and given back at once by several threads without a lock may differ from
// the one at the start by as many, either way.
bool is_count(std::uint64_t word) {
    const std::uint64_t start = frozen_word.load(std::memory_order_relaxed);
    constexpr std::int64_t most = std::int64_t{1} << 29;
    const auto drift = static_cast<std::int64_t>((word & UINT32_MAX) - (start & UINT32_MAX));
    // Above the count are flags, and between the two, 0 or 1, what a frozen object notes there.
    return start != 0 && word >> 48 == start >> 48 && (word >> 32 & UINT16_MAX) <= 1 &&
           -most < drift && drift < most;
}

bool may_write(const siginfo_t& fault) {
    if (fault.si_code != SEGV_ACCERR || !frozen_space::contains(fault.si_addr)) return false;
    const auto at = reinterpret_cast<std::uintptr_t>(fault.si_addr);
    if (at % alignof(std::uint64_t) != 0) return false;
    // It can be read: only pages that nobody has can't, and they have no extent.
    return frozen_space::process().reopen(fault.si_addr, [](const void* word) {
        return is_count(*static_cast<const volatile std::uint64_t*>(word));
    });
}

void on_fault(int number, siginfo_t* fault, void* context) {
    if (may_write(*fault)) return;  // and the instruction is done again
    const bool is_sent = fault->si_code <= 0;
    const bool has_handler = earlier.sa_handler != SIG_DFL && earlier.sa_handler != SIG_IGN;
    if (has_handler && !(is_sent && passes_on.load())) {
        passes_on.store(true);
        if ((earlier.sa_flags & SA_SIGINFO) != 0) {
            earlier.sa_sigaction(number, fault, context);
        } else {
            earlier.sa_handler(number);
        }
        passes_on.store(false);  // it may have mended what was wrong, and will be asked again
        return;
    }
    // What ends the process: the instruction that is done again, or whoever sent the signal.
    struct sigaction usual{};
    usual.sa_handler = SIG_DFL;
    sigaction(number, &usual, nullptr);
    if (is_sent) raise(number);
}

}  // namespace

void let_counts_be_written(std::uint64_t word) noexcept {
    struct sigaction now;
    if (sigaction(SIGSEGV, nullptr, &now) == 0 && (now.sa_flags & SA_SIGINFO) != 0 &&
        now.sa_sigaction == on_fault) {
        return;
    }
    const std::lock_guard lock(installing);
    frozen_word.store(word, std::memory_order_relaxed);
    if (sigaction(SIGSEGV, nullptr, &now) != 0) return;
    if ((now.sa_flags & SA_SIGINFO) != 0 && now.sa_sigaction == on_fault) return;
    earlier = now;
    struct sigaction ours{};
    ours.sa_sigaction = on_fault;
    sigemptyset(&ours.sa_mask);
    // (SA_NODEFER: the handler before may want the next fault to end the process.)
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    sigaction(SIGSEGV, &ours, nullptr);
}

}  // namespace allcores::memory
