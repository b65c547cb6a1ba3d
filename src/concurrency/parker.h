// How a thread sleeps until something that it waits for has happened, and how whatever waits is
// told: the lower half of channels (concurrency/channel.h).
//
// A futex instead of a condition variable, for two reasons: a signal handler that ran on the
// waiting thread ends the wait (Ctrl-C), and who tells needs a system call only when somebody
// sleeps.
#pragma once
#include <algorithm>
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

class alignas(64) parker final : public alarm {
 public:
    enum class outcome { woken, signalled, timed_out };
    using time_point = sync::time_point;

    // The calling thread's own.
    static const std::shared_ptr<parker>& mine();

    void ring(std::uint64_t token) noexcept override;

    // On the thread whose own it is, before it lets its GIL go: whether what it waits for happens
    // within two microseconds, `now` being the time. Then the other side, which was awake, needed
    // no more than this, and nobody else wants the GIL that soon: to let it go and take it again
    // costs as much as the whole message does. Not if it has been in vain lately.
    template <class Function>
    bool look(time_point now, Function has_happened) {
        if (!sync::is_parallel() || !soon_.is_due()) return false;
        const auto enough = now + looking;
        bool happened = false;
        do {
            for (int i = 0; i < 8 && !happened; ++i) {
                sync::relax();
                happened = has_happened();
            }
        } while (!happened && sync::now() < enough);
        soon_.learn(happened);
        return happened;
    }

    // On the thread whose own it is, detached: until it is rung, which may have happened already.
    // Looks for some microseconds before it sleeps, if that has been worth it lately: where there
    // are more threads than cores it is not. Two that answer each other may both sleep each time,
    // though nothing else runs: then it is the wake-up that each waits for. So after many brief
    // sleeps it looks for as long as that takes, and both stay awake from then on. May say woken
    // for an earlier wait's ring: look whether what is waited for has happened, and park again.
    outcome park(time_point until) noexcept;

 private:
    static constexpr std::chrono::microseconds looking{2};
    static constexpr unsigned many_brief_sleeps = 64;

    // Whether it is worth it to look: not after so many times in a row in vain, but for one time
    // of some.
    class habit {
     public:
        bool is_due() { return worth_ > 0 || ++left_out_ % tries_again == 0; }
        void learn(bool was_worth_it) {
            worth_ = was_worth_it ? std::min(worth_ + 1, most_worth) : std::max(worth_ - 1, 0);
        }

     private:
        static constexpr int most_worth = 4;
        static constexpr unsigned tries_again = 16;

        int worth_ = 2;
        unsigned left_out_ = 0;
    };

    static constexpr std::uint32_t quiet = 0;
    static constexpr std::uint32_t rung = 1;
    static constexpr std::uint32_t sleeping = 2;
    // ring()'s exchange (release) pairs with park()'s reads (acquire).
    sync::atomic<std::uint32_t> state_{quiet};

    bool spin(std::chrono::microseconds longest) noexcept;

    // The own thread's.
    habit soon_;                 // look()
    habit later_;                // in park()
    unsigned brief_sleeps_ = 0;  // in a row: not longer than wake-ups take
};

}  // namespace allcores::concurrency
