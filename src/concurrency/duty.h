// Keeps about as many workers awake as there are cores, and lets the others rest, without ever
// letting a worker that is held up delay the work of others.
//
// More workers than cores are good for the tail (while one computes, another serves) and bad for
// throughput: every event wakes one more thread, and the wake-up costs as much as a small request.
// So only `on_duty` of them wait for events at a time. The others rest, and one of the resting
// keeps watch: a few times a millisecond it looks whether anybody on duty has been with one event
// for longer than that, and takes such a worker's place. Who was replaced rests when it is done.
// With nothing to do the one on watch sleeps, and the first event wakes it. The idea is that of
// Go's system monitor, without a thread of its own.
//
// A worker calls, in this order: join, then for each event begin and finish, then leave. Each
// worker has a number of its own and calls from one thread. end() may be called by any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace allcores::concurrency {

class duty {
 public:
    static constexpr std::chrono::microseconds usual_watch{400};

    // With `on_duty` >= `workers` nobody ever rests and nobody watches.
    duty(unsigned workers, unsigned on_duty, std::chrono::microseconds watch = usual_watch);

    // Returns when this worker is on duty, or after end(): when it may wait for an event.
    void join(unsigned worker);

    // An event came, at a time that grows with each event of this worker and is not 0.
    void begin(unsigned worker, std::uint64_t now) {
        if (!rotates_) return;
        // Sequentially consistent, as the load: either the one on watch sees the event before it
        // sleeps, or this sees that it sleeps.
        places_[worker].busy_since.store(now, std::memory_order_seq_cst);
        if (asleep_.load(std::memory_order_seq_cst)) wake_watch();
    }

    // The event is done with; as join(), if another has taken the place meanwhile.
    void finish(unsigned worker) {
        if (!rotates_) return;
        place& own = places_[worker];
        own.busy_since.store(0, std::memory_order_release);
        if (own.replaced.load(std::memory_order_acquire)) rest_or_return(own);
    }

    // This worker will not come back.
    void leave(unsigned worker);

    // Everybody is on duty from now on, so that all get to see the end of their work.
    void end();

    // How many rest now; for tests.
    unsigned resting();

 private:
    struct alignas(64) place {
        // 0: not with an event. Writer: the worker. Reader: the one on watch.
        std::atomic<std::uint64_t> busy_since{0};
        // Another has this place. Set by the one on watch; read by the worker (acquire, pairs with
        // that store), and cleared by it with mutex_ held.
        std::atomic<bool> replaced{false};
        std::uint64_t seen = 0;  // busy_since at the last look; the one on watch, with mutex_ held
    };

    void rest_or_return(place& own);
    void keep_watch(std::unique_lock<std::mutex>& lock);
    bool look();
    bool somebody_is_busy() const;
    void wake_watch();

    const unsigned workers_;
    const unsigned on_duty_most_;
    const bool rotates_;
    const std::chrono::microseconds watch_;
    const std::unique_ptr<place[]> places_;  // one for each worker

    std::atomic<bool> asleep_{false};  // the one on watch waits for wake_watch(), without a limit

    std::mutex mutex_;  // guards what follows
    std::condition_variable rest_;
    std::condition_variable watching_;
    unsigned on_duty_ = 0;
    unsigned resting_ = 0;
    bool watched_ = false;  // somebody keeps watch
    bool ended_ = false;
};

}  // namespace allcores::concurrency
