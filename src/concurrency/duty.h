// Keeps about as many workers awake as there are cores, and lets the others rest, without ever
// letting a worker that is held up delay the work of others.
//
// More workers than cores are good for the tail (while one computes, another serves) and bad for
// throughput: every event wakes one more thread, and the wake-up costs as much as a small request.
// So only `on_duty` of them wait for events at a time, and the others rest. Who has been with one
// event for longer than `patience` is held up: another takes its place, and it rests when it is
// done. Whoever takes an event looks for such workers, a few times a millisecond at most; that
// costs no wake-up and comes before its own event can hold it up too. Only while all are busy does
// one of the resting keep watch, and it looks less often the longer all goes well: it is needed
// when all are held up at once. The idea is that of Go's system monitor, without a thread of its
// own.
//
// A worker calls join, then for each event begin and finish, and at the end leave. Before that it
// counts for nothing: places stay free as long as fewer have come than may be on duty, and who
// comes later takes a free one, or rests. Each worker has a number of its own and calls from one
// thread. end() may be called by any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace allcores::concurrency {

class duty {
 public:
    static constexpr std::chrono::microseconds usual_patience{400};

    // With `on_duty` >= `workers` nobody ever rests and nobody watches.
    duty(unsigned workers, unsigned on_duty, std::chrono::microseconds patience = usual_patience);

    // Returns when this worker is on duty, or after end(): when it may wait for an event.
    void join(unsigned worker);

    // For a worker that has other things to wait for than a place: true, it is on duty; false, not
    // now. Its bell is rung when it should try again, and it should after `again` nanoseconds at
    // the latest.
    [[nodiscard]] bool try_join(unsigned worker, std::uint64_t& again);

    // What is called, by any thread, to make that worker try again; empty: it will not any more.
    void set_bell(unsigned worker, std::function<void()> bell);

    // An event came at `now`: nanoseconds of the steady clock.
    void begin(unsigned worker, std::uint64_t now) {
        place& own = places_[worker];
        if (!rotates_) return own.busy_since.store(now, std::memory_order_release);
        // Sequentially consistent, as the load: either the one on watch sees that all are busy
        // before it sleeps, or the last of them sees that it sleeps.
        own.busy_since.store(now, std::memory_order_seq_cst);
        if (asleep_.load(std::memory_order_seq_cst)) wake_watch_if_needed();
        if (now - own.looked >= patience_ns_ / 2) {
            own.looked = now;
            look_at_others(now);
        }
    }

    // The event is done with. True: another has taken the place meanwhile, and this worker must
    // join() again.
    [[nodiscard]] bool finish(unsigned worker) {
        place& own = places_[worker];
        own.busy_since.store(0, std::memory_order_release);
        if (!rotates_) return false;
        return own.replaced.load(std::memory_order_acquire);
    }

    // This worker will not come back; unless it joins anew.
    void leave(unsigned worker);

    // It need not rest for long, if it does: its join() returns soon. Any thread.
    void let_go(unsigned worker);

    // Since when it is with its event: what begin() was given; 0: it is with none. Any thread.
    std::uint64_t busy_since(unsigned worker) const {
        return places_[worker].busy_since.load(std::memory_order_acquire);
    }

    // Everybody is on duty from now on, so that all get to see the end of their work.
    void end();

    // How many rest now; for tests.
    unsigned resting();

 private:
    struct alignas(64) place {
        // 0: not with an event. Writer: the worker. Readers: the others.
        std::atomic<std::uint64_t> busy_since{0};
        // Another has this place. Set by another worker with mutex_ held; read by the worker
        // (acquire, pairs with that store), and cleared by it with mutex_ held.
        std::atomic<bool> replaced{false};
        std::uint64_t looked = 0;  // when this worker looked at the others; its own
        // With mutex_ held: it waits elsewhere and wants a place; how often it looked in vain.
        bool waits_elsewhere = false;
        bool is_let_go = false;
        unsigned quiet = 0;
        std::function<void()> bell;

        bool is_held_up(std::uint64_t now, std::uint64_t patience_ns) const {
            const std::uint64_t since = busy_since.load(std::memory_order_acquire);
            return since != 0 && since + patience_ns <= now &&
                   !replaced.load(std::memory_order_relaxed);
        }
    };

    void keep_watch(std::unique_lock<std::mutex>& lock, unsigned worker);
    void look_at_others(std::uint64_t now);
    bool replace_held_up(std::uint64_t now);
    bool all_are_busy() const;
    void wake_watch_if_needed();
    void ring_one();

    const unsigned workers_;
    const unsigned on_duty_most_;
    const bool rotates_;
    const std::chrono::nanoseconds patience_;
    const std::uint64_t patience_ns_;
    const std::unique_ptr<place[]> places_;  // one for each worker

    std::atomic<bool> asleep_{false};  // the one on watch waits to be woken, without a limit

    std::mutex mutex_;  // guards what follows
    std::condition_variable rest_;
    std::condition_variable watching_;
    unsigned on_duty_ = 0;
    unsigned resting_ = 0;
    bool watched_ = false;  // somebody keeps watch
    bool ended_ = false;
};

}  // namespace allcores::concurrency
