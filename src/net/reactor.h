// The set of sockets that all workers wait on, behind an interface, so that something else than
// epoll (io_uring, kqueue, one set for each group of cores) can take its place. Every function may
// be called by any thread at any time.
//
// Edge-triggered: a source is reported when it becomes ready, to one waiter, once. Who gets the
// report must use the source until it would block (for reading: or until a read came back short).
// Nothing here says that a source has one user at a time: its owner must (http/ownership.h). A
// report may reach a waiter after the source was removed; tokens must stay harmless for as long as
// the reactor lives.
#pragma once

#include <cstdint>
#include <memory>

namespace allcores::net {

class reactor {
 public:
    using token = std::uintptr_t;

    enum class interest {
        read,            // bytes, connections or the end of the other side's bytes
        read_and_write,  // also room for output after a send that would have blocked
    };

    struct event {
        token source = 0;
        bool hung_up = false;  // the other side will send nothing more, or the connection broke
    };

    enum class [[nodiscard]] outcome {
        ready,    // `event` is filled
        nothing,  // the time is over, or a signal came
        woken,    // by wake(), for one waiter
        ended,    // by end(), for every waiter
    };

    virtual ~reactor() = default;

    // Throws std::system_error (ENOMEM, ENOSPC: the user's limit of watches).
    virtual void add(int descriptor, token source, interest what) = 0;

    // Changes what is watched and reports again whatever is ready now.
    virtual void rearm(int descriptor, token source, interest what) = 0;

    // Before the descriptor is closed: a forked child may still hold a copy, which would keep it in
    // the set.
    virtual void remove(int descriptor) noexcept = 0;

    // Waits for one event, at most that long; -1: without limit.
    virtual outcome wait(event& result, int timeout_ms) = 0;

    // Readable, for poll and the like, when a wait() would return.
    virtual int pollable() const noexcept = 0;

    // Makes one waiter, now or the next to come, return `woken`. Several calls may be answered by
    // one return.
    virtual void wake() noexcept = 0;

    // Makes every wait(), now and from now on, return `ended` sooner or later (it takes its turn
    // among the events).
    virtual void end() noexcept = 0;
};

// Throws std::system_error.
std::unique_ptr<reactor> make_reactor();

}  // namespace allcores::net
