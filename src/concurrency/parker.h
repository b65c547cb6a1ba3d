// How a thread sleeps until something that it waits for has happened, and how whatever waits is
// told: the lower half of channels (concurrency/channel.h).
//
// A futex instead of a condition variable, for two reasons: a signal handler that ran on the
// waiting thread ends the wait (Ctrl-C), and who tells needs a system call only when somebody
// sleeps.
#pragma once
#include <chrono>
#include <cstdint>
#include <memory>

#include "concurrency/sync.h"

namespace allcores::concurrency {

// Told once for each wait that has come to its end. Rung by any thread, with any GIL or none, never
// with a channel's lock; so it must not block or run Python. It may be rung after the waiting call
// has returned, hence the shared_ptr of whoever is to ring it.
class alarm {
 public:
    virtual ~alarm() = default;
    virtual void ring(std::uint64_t token) noexcept = 0;
};

class parker final : public alarm {
 public:
    enum class outcome { woken, signalled, timed_out };
    using time_point = sync::time_point;

    // The calling thread's own.
    static const std::shared_ptr<parker>& mine();

    void ring(std::uint64_t token) noexcept override;

    // On the thread whose own it is, detached: until it is rung, which may have happened already.
    // Looks for some microseconds before it sleeps, if that has been worth it lately: where there
    // are more threads than cores it is not. May say woken for an earlier wait's ring: look
    // whether what is waited for has happened, and park again.
    outcome park(time_point until) noexcept;

 private:
    static constexpr std::uint32_t quiet = 0;
    static constexpr std::uint32_t rung = 1;
    static constexpr std::uint32_t sleeping = 2;
    // ring()'s exchange (release) pairs with park()'s reads (acquire).
    sync::atomic<std::uint32_t> state_{quiet};

    bool spin() noexcept;

    // The own thread's: how often looking has been worth it lately, and how often it was left out.
    int worth_ = 2;
    unsigned left_out_ = 0;
};

}  // namespace allcores::concurrency
