// The report of a deadlock: everybody waits, and there is nobody left who could end it.
//
// A call that waits at channels or for another interpreter without a time limit has one long_wait
// on its stack. It costs nothing until the wait has lasted for the patience (10 s; the environment
// variable ALLCORES_DEADLOCK_SECONDS, 0: never). Then it joins the list of all long waits of the
// process, and looks, at once and ever more rarely, whether all other threads sleep
// (concurrency/asleep.h). When that is so twice in a row, with the same waits and not one thread
// having run in between, one report goes to standard error, and all go on waiting: Ctrl-C still
// ends it.
//
// Made, used and destroyed by the thread that waits. No GIL is needed.
#pragma once
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

namespace allcores::concurrency {

class long_wait {
 public:
    using time_point = std::chrono::steady_clock::time_point;

    // At `now`, of the steady clock. `has_limit`: the wait has a time limit, so it ends by itself.
    long_wait(bool has_limit, time_point now) noexcept
        : next_look_(has_limit ? time_point::max() : after_patience(now)) {}
    ~long_wait() {
        if (is_listed_) leave();
    }
    long_wait(const long_wait&) = delete;
    long_wait& operator=(const long_wait&) = delete;

    // The latest time to wake up and ask whether it is_due().
    time_point next_look() const { return next_look_; }
    bool is_due(time_point now) const { return now >= next_look_; }

    // When it is due: first it is listed, with one line on who waits where for what, and a function
    // for any thread that says whether it is over. Then it looks, each time that it is due. That
    // may write to standard error. Where memory is short there is no report.
    bool is_listed() const { return is_listed_; }
    void list(std::string what, std::function<bool()> is_over) noexcept;
    void look() noexcept;

 private:
    friend struct long_waits;

    static time_point after_patience(time_point now) noexcept;
    void leave() noexcept;

    time_point next_look_;
    bool is_listed_ = false;
    bool confirms_ = false;     // the next look is to confirm the one before
    unsigned rarer_ = 0;        // how often it has looked in vain
    std::uint64_t number_ = 0;  // of all waits that were ever listed
    pid_t thread_ = 0;
    std::string what_;
    std::function<bool()> is_over_;
};

}  // namespace allcores::concurrency
