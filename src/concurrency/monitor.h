// A lock that a thread may take several times, of those that hosted objects have: one thread at a
// time is inside, and threads that wait for each other are told so instead of waiting for ever.
//
// Why not a mutex: a wait has to be left now and then, to look at signals and endings; and monitors
// call into each other across interpreters, where nobody oversees the order of locks. So who is
// about to wait follows the chain of who holds what and waits for what (under one mutex of the
// process, taken only by those who wait and by who lets go while somebody does).
//
// Any thread, with whatever GIL; wait() without one. Pure C++.
#pragma once
#include <atomic>
#include <memory>
#include <vector>

#include "concurrency/parker.h"

namespace allcores::concurrency {

class monitor {
 public:
    enum class outcome { taken, not_yet, deadlock };

    monitor() = default;
    monitor(const monitor&) = delete;
    monitor& operator=(const monitor&) = delete;

    // Takes it unless another thread holds it; once more when this one does.
    bool try_take() noexcept;
    // Waits for it until then, or until a signal handler ran here. deadlock: whoever holds it
    // waits for what this thread holds, directly or through others.
    [[nodiscard]] outcome wait(parker::time_point until);
    // Undoes one take. False: this thread does not hold it.
    bool release() noexcept;
    bool is_mine() const noexcept;
    // Whether nobody holds it at this moment.
    bool is_free() const noexcept { return holder_.load() == nullptr; }

    struct thread;  // one thread's part in this; monitor.cpp

 private:
    struct waiting {
        const thread* who;
        std::shared_ptr<parker> bell;
    };
    void wake_one() noexcept;

    // Taken by compare-exchange (acquire), let go of by release()'s store.
    std::atomic<thread*> holder_{nullptr};
    unsigned depth_ = 0;  // the holder's
    // Both sides are sequentially consistent: who lets go sees who waits, or who waits sees that it
    // is free.
    std::atomic<unsigned> waiting_count_{0};
    std::vector<waiting> waiting_;  // in the order they came; guarded by the process's mutex
};

}  // namespace allcores::concurrency
