// Something that happens once, and that a thread can wait for without missing signals.
//
// A blocked wait ends with EINTR when a signal handler ran on the waiting thread:
// std::condition_variable hides that, and a Ctrl-C would be seen only when the wait is over. set()
// may be called by any thread, once; wait by any number, detached.
#pragma once
#include <semaphore.h>

#include <cerrno>
#include <chrono>
#include <ctime>

namespace allcores::interpreter {

class completion {
 public:
    enum class outcome { done, signalled, timed_out };

    completion() { sem_init(&semaphore_, 0, 0); }
    completion(const completion&) = delete;
    completion& operator=(const completion&) = delete;
    // (No sem_destroy: it does nothing on Linux, and must not after a fork.)

    void set() { sem_post(&semaphore_); }

    bool is_set() {
        int value = 0;
        sem_getvalue(&semaphore_, &value);
        return value > 0;
    }

    // signalled: a signal handler ran here; the caller may want PyErr_CheckSignals.
    [[nodiscard]] outcome wait(std::chrono::nanoseconds at_most) {
        using namespace std::chrono;
        const auto until = (steady_clock::now() + at_most).time_since_epoch();
        timespec deadline{};
        deadline.tv_sec = static_cast<time_t>(duration_cast<seconds>(until).count());
        deadline.tv_nsec = static_cast<long>((until - seconds(deadline.tv_sec)).count());
        return result(sem_clockwait(&semaphore_, CLOCK_MONOTONIC, &deadline));
    }
    [[nodiscard]] outcome wait() { return result(sem_wait(&semaphore_)); }

 private:
    outcome result(int status) {
        if (status == 0) {
            sem_post(&semaphore_);  // for the next who waits
            return outcome::done;
        }
        return errno == EINTR ? outcome::signalled : outcome::timed_out;
    }

    sem_t semaphore_;
};

}  // namespace allcores::interpreter
