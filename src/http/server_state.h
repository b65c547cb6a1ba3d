// What the workers of one server share: private to server.cpp and the worker_*.cpp files.
//
// Stopping, in steps:
// 1. stop() notes the end of the grace, raises `draining`, refuses new connections, makes the timer
// tick fast and wakes
//    one worker.
// 2. That worker, helped by whoever sees a tick, looks at every connection once as if an event had
// come; `swept` deals
//    the places out, so that a worker that gets stuck in a handler holds up none but its own.
// 3. From then on a connection that has nothing begun is closed by whoever lets go of it, and each
// reply says so.
// 4. When the last one is closed, or a tick finds the grace over, `finished` is raised and the
// reactor's end wakes all
//    workers. Each closes what nobody has before it leaves run(); what a stuck worker has, that one
//    closes.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <memory>
#include <vector>

#include "concurrency/duty.h"
#include "http/body_seats.h"
#include "http/body_spool.h"
#include "http/connection_pool.h"
#include "http/server.h"
#include "net/listener.h"
#include "net/reactor.h"
#include "net/timer.h"

namespace allcores::http {

struct server::shared {
    explicit shared(server_options given);

    // Nanoseconds of the clock that deadlines and latencies are counted on.
    static std::uint64_t now_ns() {
        timespec now;
        ::clock_gettime(CLOCK_MONOTONIC, &now);
        return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
               static_cast<std::uint64_t>(now.tv_nsec);
    }

    statistics snapshot(unsigned worker) const;

    void log(log_level level, std::string_view text) const {
        if (options.log) options.log(level, text);
    }

    // Step 4; any thread, any number of times.
    void finish() {
        finished.store(true, std::memory_order_seq_cst);
        reactor->end();
        duties.end();
    }

    // Sources of events other than connections: odd numbers, which no address of a connection is.
    static constexpr net::reactor::token timer_token = 1;
    static net::reactor::token listener_token(std::size_t index) { return 3 + 2 * index; }

    const server_options options;
    const bool has_front = options.front.is_needed();
    // Requests that are being answered, where there is a limit of them. All workers.
    std::atomic<std::uint32_t> in_progress{0};
    const unsigned cores;  // that the process may use
    body_seats seats;      // of workers that may wait for the rest of a body (worker_body.cpp)
    spool_space spools;    // of bodies that come slowly
    const std::uint64_t tick_ms;  // deadlines are rounded up to it
    std::unique_ptr<net::reactor> reactor;
    concurrency::duty duties;  // who of the workers waits for events, and who rests
    net::timer timer;
    std::vector<net::listener> listeners;  // filled by listen(), fixed afterwards
    net::reserve_descriptor reserve;
    connection_pool pool;

    // A listener could not be emptied for lack of descriptors; the next tick tries again. Any
    // worker, relaxed: a tick late is soon enough.
    std::atomic<bool> accept_stalled{false};
    // One worker at a time looks through the deadlines. Acquired and released by it.
    // A worker is inside application::idle() and may take long. Writers: all workers.
    std::atomic_flag somebody_idles;
    std::atomic_flag looking_at_deadlines;

    // Raised by stop(), once and in this order after drain_deadline_ms. Sequentially consistent
    // against the pool's open(): a worker that adds a connection sees it, or the sweep sees the
    // connection.
    std::atomic<bool> draining{false};
    std::atomic<std::uint64_t> drain_deadline_ms{~std::uint64_t{0}};  // lowered only
    std::atomic<std::uint32_t> swept{0};                              // places given out
    std::atomic<bool> finished{false};

    struct worker_slot {
        worker_statistics counts;
        // Written by the worker's thread as run() begins (release, pairs with snapshot()'s acquire)
        // and ends.
        std::atomic<bool> runs{false};
        std::atomic<clockid_t> cpu_clock{0};
        std::atomic<std::uint64_t> cpu_at_start_ns{0};
        std::atomic<std::uint64_t> cpu_before_ns{0};  // of earlier run()s
        // When the worker has to have returned, in milliseconds of now_ns()'s clock; 0: it is not
        // asked to. Written by retire() and as run() begins; read by the worker.
        std::atomic<std::uint64_t> retire_by_ms{0};
    };
    std::vector<std::unique_ptr<worker_slot>> workers;
};

}  // namespace allcores::http
