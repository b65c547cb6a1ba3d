// The least that a message to another thread and its answer can cost on this machine: one word,
// without any queue or lock. Twice: while both threads look for it all the time, and while both
// sleep on a futex. Prints JSON: nanoseconds there and back, the median of all.
//
//     floor COUNT PAUSE [CORE CORE]
//
// The pause is before each message to one that sleeps, in microseconds; the cores are those on
// which the two threads stay.
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

namespace {

using std::chrono::steady_clock;
using word = std::atomic<std::uint32_t>;

struct alignas(64) mailbox {
    word number{0};
};

void spin_until(word& which, std::uint32_t number) {
    while (which.load(std::memory_order_acquire) != number) {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
    }
}

void sleep_until(word& which, std::uint32_t number) {
    for (std::uint32_t seen; (seen = which.load(std::memory_order_acquire)) != number;)
        syscall(SYS_futex, &which, FUTEX_WAIT_PRIVATE, seen, nullptr, nullptr, 0);
}

void say(word& which, std::uint32_t number, bool wakes) {
    which.store(number, std::memory_order_release);
    if (wakes) syscall(SYS_futex, &which, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

// The calling thread's core; -1: any.
void stay_on(int core) {
    if (core < 0) return;
    cpu_set_t only;
    CPU_ZERO(&only);
    CPU_SET(static_cast<std::size_t>(core), &only);
    sched_setaffinity(0, sizeof only, &only);
}

double round_trip(std::uint32_t count, std::chrono::microseconds pause, bool sleeps, int core) {
    mailbox there;
    mailbox back;
    const auto wait = sleeps ? sleep_until : spin_until;
    std::thread other([&] {
        stay_on(core);
        for (std::uint32_t i = 1; i <= count; ++i) {
            wait(there.number, i);
            say(back.number, i, sleeps);
        }
    });
    std::vector<double> times;
    times.reserve(count);
    // One clock reading for some: it costs as much as a message to one that is awake.
    const std::uint32_t together = sleeps ? 1 : 20;
    for (std::uint32_t i = 1; i + together <= count + 1; i += together) {
        if (sleeps) std::this_thread::sleep_for(pause);
        const auto start = steady_clock::now();
        for (std::uint32_t k = i; k < i + together; ++k) {
            say(there.number, k, sleeps);
            wait(back.number, k);
        }
        const std::chrono::duration<double, std::nano> took = steady_clock::now() - start;
        times.push_back(took.count() / together);
    }
    other.join();
    std::ranges::nth_element(times, times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2));
    return times[times.size() / 2];
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 3 && count != 5) return 2;
    const auto messages = static_cast<std::uint32_t>(std::atoi(arguments[1])) / 20 * 20;
    const std::chrono::microseconds pause(std::atoi(arguments[2]));
    if (messages == 0) return 2;
    stay_on(count == 5 ? std::atoi(arguments[3]) : -1);
    const int other = count == 5 ? std::atoi(arguments[4]) : -1;
    const double awake = round_trip(messages, pause, false, other);
    const double asleep = round_trip(std::max(messages / 100, 10U), pause, true, other);
    std::printf("{\"awake\": %.1f, \"asleep\": %.1f}\n", awake, asleep);
    return 0;
}
