// What the threads of a channel meet by: locks, atomics, sleeping and waking, and what each thread
// has for itself. It is what the standard library and the kernel have, under names of ours.
//
// It exists for the tests: tests/unit/model has another header in its place, by which a scheduler
// of the tests decides at each of these operations which thread goes on, and so tries all the ways
// in which threads can meet. So concurrency/channel.h, waiter.h and parker.* use nothing else to
// share anything. Any thread.
#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <thread>

namespace allcores::concurrency::sync {

using std::atomic;
using time_point = std::chrono::steady_clock::time_point;

inline time_point now() noexcept {
    return std::chrono::steady_clock::now();
}

inline void yield() noexcept {
    std::this_thread::yield();
}

// In a loop that looks for something to happen soon.
inline void relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

// Begins to fetch memory that this thread is going to write, from whichever core has it. It may be
// any address: nothing but time comes of a wrong one.
inline void fetch_to_write(const void* where) noexcept {
#if defined(__x86_64__)
    // (Of older processors than know it, this does nothing.)
    asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(where)));
#else
    __builtin_prefetch(where, 1);
#endif
}

// Where something was the last time, to be fetched before it is known where it is now. Null where
// that is not worth it.
class hint {
 public:
    void note(const void* where) noexcept {
        if (where_.load(std::memory_order_relaxed) != where)
            where_.store(where, std::memory_order_relaxed);
    }
    bool fetch() const noexcept {
        const void* where = where_.load(std::memory_order_relaxed);
        if (where != nullptr) fetch_to_write(where);
        return where != nullptr;
    }

 private:
    atomic<const void*> where_{nullptr};
};

// Whether another thread can do something while this one looks for it.
inline bool is_parallel() noexcept {
    static const bool several = std::thread::hardware_concurrency() > 1;
    return several;
}

// Sleeps until somebody calls wake(), while the word has that value: not at all where it has
// another. `until` may be time_point::max(). A signal handler that ran on this thread ends it.
enum class sleep_end : std::uint8_t { woken, signalled, timed_out };
sleep_end sleep(atomic<std::uint32_t>& word, std::uint32_t value, time_point until) noexcept;
// One that sleeps there.
void wake(atomic<std::uint32_t>& word) noexcept;

// Two words, beside what they guard, so that all come to another core at once. It is held for some
// instructions only: who finds it taken looks for a moment before it sleeps.
//
// unlock() is an ordinary store and a load: with an atomic exchange, locking and unlocking would
// take twice as long. The two may happen the other way round, so whoever is going to sleep says so,
// and then has the kernel let every thread finish what it has begun (membarrier): from then on each
// unlock() sees that somebody sleeps, or was seen itself. The mutex has to outlive unlock().
class mutex {
 public:
    void lock() noexcept {
        std::uint32_t expected = open;
        if (!state_.compare_exchange_strong(expected, taken, std::memory_order_acquire)) wait();
    }
    void unlock() noexcept {
        state_.store(open, std::memory_order_release);
        std::atomic_signal_fence(std::memory_order_seq_cst);  // the compiler keeps the order
        if (sleepers_.load(std::memory_order_relaxed) != 0) [[unlikely]]
            wake(state_);
    }

 private:
    static constexpr std::uint32_t open = 0;
    static constexpr std::uint32_t taken = 1;

    void wait() noexcept;

    atomic<std::uint32_t> state_{open};  // release in unlock() pairs with acquire in lock(), wait()
    atomic<std::uint32_t> sleepers_{0};  // who sleeps in wait(), or is about to
};

// One that the calling thread has for itself, made at its first use.
template <class Made>
const std::shared_ptr<Made>& own() {
    thread_local const std::shared_ptr<Made> made = std::make_shared<Made>();
    return made;
}

// A number at random from 0 to `limit` - 1, for fairness; each thread has its own sequence.
inline std::uint32_t random_below(std::size_t limit) noexcept {
    thread_local std::uint64_t state =
        reinterpret_cast<std::uintptr_t>(&state) * 0x9E3779B97F4A7C15U | 1;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return static_cast<std::uint32_t>(static_cast<std::uint32_t>(state >> 32) % limit);
}

}  // namespace allcores::concurrency::sync
