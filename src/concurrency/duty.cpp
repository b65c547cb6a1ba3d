#include "concurrency/duty.h"

namespace allcores::concurrency {
namespace {

// Looks without anybody having been busy, after which the one on watch sleeps: about 10 ms.
constexpr unsigned quiet_looks = 25;

}  // namespace

duty::duty(unsigned workers, unsigned on_duty, std::chrono::microseconds watch)
    : workers_(workers),
      on_duty_most_(on_duty),
      rotates_(on_duty < workers),
      watch_(watch),
      places_(std::make_unique<place[]>(workers)) {}

void duty::join(unsigned worker) {
    if (rotates_) rest_or_return(places_[worker]);
}

void duty::leave(unsigned worker) {
    if (!rotates_) return;
    places_[worker].busy_since.store(0, std::memory_order_release);
    const std::lock_guard lock(mutex_);
    if (places_[worker].replaced.exchange(false, std::memory_order_relaxed)) return;
    --on_duty_;
    watching_.notify_one();
}

void duty::end() {
    if (!rotates_) return;
    const std::lock_guard lock(mutex_);
    ended_ = true;
    rest_.notify_all();
    watching_.notify_all();
}

unsigned duty::resting() {
    const std::lock_guard lock(mutex_);
    return resting_;
}

// The worker has no place: it takes one that is free, or rests until it gets one.
void duty::rest_or_return(place& own) {
    std::unique_lock lock(mutex_);
    own.replaced.store(false, std::memory_order_relaxed);
    ++resting_;
    while (!ended_ && on_duty_ >= on_duty_most_) {
        if (watched_) {
            rest_.wait(lock);
        } else {
            keep_watch(lock);
        }
    }
    --resting_;
    ++on_duty_;
    // Somebody else keeps watch now. Also when this one did not: of two places that become free at
    // once the second goes to one who was only woken for the watch.
    if (!watched_) rest_.notify_one();
}

// Returns when there may be a place.
void duty::keep_watch(std::unique_lock<std::mutex>& lock) {
    watched_ = true;
    unsigned quiet = 0;
    while (!ended_ && on_duty_ >= on_duty_most_) {
        if (quiet < quiet_looks) {
            watching_.wait_for(lock, watch_);
            quiet = look() ? 0 : quiet + 1;
            continue;
        }
        asleep_.store(true, std::memory_order_seq_cst);
        if (!somebody_is_busy()) {
            watching_.wait(lock, [this] {
                return ended_ || on_duty_ < on_duty_most_ ||
                       !asleep_.load(std::memory_order_relaxed);
            });
        }
        asleep_.store(false, std::memory_order_relaxed);
        quiet = 0;
    }
    watched_ = false;
}

// Of those on duty. Sequentially consistent: see begin().
bool duty::somebody_is_busy() const {
    for (unsigned i = 0; i < workers_; ++i) {
        const place& each = places_[i];
        if (each.busy_since.load(std::memory_order_seq_cst) != 0 &&
            !each.replaced.load(std::memory_order_relaxed)) {
            return true;
        }
    }
    return false;
}

// One look: a worker that is with the same event as at the last look loses its place. Returns
// whether anybody on duty has had an event since then.
bool duty::look() {
    bool moved = false;
    for (unsigned i = 0; i < workers_; ++i) {
        place& each = places_[i];
        if (each.replaced.load(std::memory_order_relaxed)) continue;
        const std::uint64_t since = each.busy_since.load(std::memory_order_acquire);
        if (since != 0 && since == each.seen) {
            each.replaced.store(true, std::memory_order_release);
            --on_duty_;
        }
        moved = moved || since != 0;
        each.seen = since;
    }
    return moved;
}

void duty::wake_watch() {
    const std::lock_guard lock(mutex_);
    asleep_.store(false, std::memory_order_relaxed);
    watching_.notify_one();
}

}  // namespace allcores::concurrency
