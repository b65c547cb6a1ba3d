#include "concurrency/monitor.h"

#include <algorithm>
#include <mutex>

namespace allcores::concurrency {

struct monitor::thread {
    unsigned held = 0;                     // monitors; its own
    const monitor* waiting_for = nullptr;  // guarded by the mutex below
    bool has_ended = false;                // likewise
};

namespace {

// (Never destroyed: threads may wait while the process ends.)
std::mutex& all_waits() {
    static auto* made = new std::mutex;
    return *made;
}

struct own_thread {
    monitor::thread* me = new monitor::thread;
    ~own_thread() {
        const std::lock_guard lock(all_waits());  // nobody is following a chain through it
        if (me->held == 0) {
            delete me;
        } else {
            // It ended while it held some: whoever waits for those takes them over.
            me->has_ended = true;
        }
    }
};

monitor::thread& mine() {
    thread_local const own_thread own;
    return *own.me;
}

}  // namespace

bool monitor::is_mine() const noexcept {
    return holder_.load(std::memory_order_relaxed) == &mine();
}

bool monitor::try_take() noexcept {
    thread& me = mine();
    if (holder_.load(std::memory_order_relaxed) == &me) {
        depth_++;
        return true;
    }
    thread* nobody = nullptr;
    if (!holder_.compare_exchange_strong(nobody, &me)) return false;
    depth_ = 1;
    me.held++;
    return true;
}

bool monitor::release() noexcept {
    thread& me = mine();
    if (holder_.load(std::memory_order_relaxed) != &me) return false;
    if (--depth_ > 0) return true;
    me.held--;
    holder_.store(nullptr);
    if (waiting_count_.load() > 0) wake_one();
    return true;
}

void monitor::wake_one() noexcept {
    std::shared_ptr<parker> bell;
    {
        const std::lock_guard lock(all_waits());
        if (!waiting_.empty()) bell = waiting_.front().bell;
    }
    if (bell != nullptr) bell->ring(0);
}

monitor::outcome monitor::wait(parker::time_point until) {
    thread& me = mine();
    {
        const std::lock_guard lock(all_waits());
        thread* holder = holder_.load();
        if (holder != nullptr && holder->has_ended &&
            holder_.compare_exchange_strong(holder, &me)) {
            depth_ = 1;
            me.held++;
            if (--holder->held == 0) delete holder;  // nobody else refers to it any more
            return outcome::taken;
        }
        // A thread waits for one monitor at most, and a monitor has one holder: it is a chain.
        for (const thread* each = holder; each != nullptr;) {
            if (each == &me) return outcome::deadlock;
            const monitor* next = each->waiting_for;
            const thread* after = next == nullptr ? nullptr : next->holder_.load();
            each = after == each ? nullptr : after;  // itself: it has just got what it waited for
        }
        waiting_.push_back({&me, parker::mine()});
        waiting_count_++;
        me.waiting_for = this;
    }
    bool taken = try_take();
    if (!taken) {
        static_cast<void>(parker::mine()->park(until));
        taken = try_take();
    }
    {
        const std::lock_guard lock(all_waits());
        me.waiting_for = nullptr;
        std::erase_if(waiting_, [&](const waiting& each) { return each.who == &me; });
        waiting_count_--;
    }
    // A ring that came for this thread is for the next one then.
    if (!taken && holder_.load() == nullptr && waiting_count_.load() > 0) wake_one();
    return taken ? outcome::taken : outcome::not_yet;
}

}  // namespace allcores::concurrency
