#include "concurrency/duty.h"

#include <algorithm>

namespace allcores::concurrency {
namespace {

// Looks that saw somebody free, after which the one on watch sleeps.
constexpr unsigned quiet_looks = 4;
// Of the patience: how far the looks of the one on watch grow apart.
constexpr int rarest_look = 8;

std::uint64_t now_ns() {
    return static_cast<std::uint64_t>(
        std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count());
}

}  // namespace

duty::duty(unsigned workers, unsigned on_duty, std::chrono::microseconds patience)
    : workers_(workers),
      on_duty_most_(on_duty),
      rotates_(on_duty < workers),
      patience_(patience),
      patience_ns_(static_cast<std::uint64_t>(patience_.count())),
      places_(std::make_unique<place[]>(workers)) {}

void duty::let_go(unsigned worker) {
    const std::lock_guard lock(mutex_);
    places_[worker].is_let_go = true;
    rest_.notify_all();
    watching_.notify_all();
    if (places_[worker].bell) places_[worker].bell();
}

void duty::leave(unsigned worker) {
    places_[worker].busy_since.store(0, std::memory_order_release);
    if (!rotates_) return;
    const std::lock_guard lock(mutex_);
    places_[worker].is_let_go = false;
    if (places_[worker].replaced.exchange(false, std::memory_order_relaxed)) return;
    --on_duty_;
    watching_.notify_one();
    ring_one();
}

void duty::end() {
    if (!rotates_) return;
    const std::lock_guard lock(mutex_);
    ended_ = true;
    rest_.notify_all();
    watching_.notify_all();
    for (unsigned i = 0; i < workers_; ++i) {
        if (places_[i].bell) places_[i].bell();
    }
}

unsigned duty::resting() {
    const std::lock_guard lock(mutex_);
    return resting_;
}

// The worker has no place: it takes one that is free, or rests until it gets one.
void duty::join(unsigned worker) {
    if (!rotates_) return;
    std::unique_lock lock(mutex_);
    places_[worker].replaced.store(false, std::memory_order_relaxed);
    ++resting_;
    while (!ended_ && on_duty_ >= on_duty_most_ && !places_[worker].is_let_go) {
        if (watched_) {
            rest_.wait(lock);
        } else {
            keep_watch(lock, worker);
        }
    }
    --resting_;
    ++on_duty_;
    // Somebody else keeps watch now. Also when this one did not: of two places that become free at
    // once the second goes to one who was only woken for the watch.
    if (!watched_) rest_.notify_one();
    ring_one();
}

// Those that rest come first, and one of them keeps watch. Where nobody rests, those that wait
// elsewhere do so by themselves, as long as all on duty are busy.
bool duty::try_join(unsigned worker, std::uint64_t& again) {
    again = ~std::uint64_t{0};
    if (!rotates_) return true;
    const std::lock_guard lock(mutex_);
    place& own = places_[worker];
    own.waits_elsewhere = false;
    if (resting_ == 0 && on_duty_ >= on_duty_most_) replace_held_up(now_ns());
    if (ended_ || on_duty_ < on_duty_most_) {
        own.replaced.store(false, std::memory_order_relaxed);
        own.quiet = 0;
        ++on_duty_;
        return true;
    }
    own.waits_elsewhere = true;
    if (resting_ > 0) return false;
    // Sequentially consistent against begin(), as in keep_watch().
    asleep_.store(true, std::memory_order_seq_cst);
    if (all_are_busy()) {
        asleep_.store(false, std::memory_order_relaxed);
        again = patience_ns_ << std::min(own.quiet, 3U);
        ++own.quiet;
    } else {
        own.quiet = 0;
    }
    return false;
}

void duty::set_bell(unsigned worker, std::function<void()> bell) {
    if (!rotates_) return;
    const std::lock_guard lock(mutex_);
    places_[worker].bell = std::move(bell);
    places_[worker].waits_elsewhere = false;
}

// With mutex_ held: there may be a place for one that waits elsewhere, or all are busy and one of
// them has to keep watch.
void duty::ring_one() {
    if (resting_ > 0) return;
    for (unsigned i = 0; i < workers_; ++i) {
        place& each = places_[i];
        if (!each.waits_elsewhere || !each.bell) continue;
        each.waits_elsewhere = false;
        each.bell();
        return;
    }
}

// Returns when there may be a place.
void duty::keep_watch(std::unique_lock<std::mutex>& lock, unsigned worker) {
    watched_ = true;
    unsigned quiet = 0;
    auto pause = patience_;
    const bool& is_let_go = places_[worker].is_let_go;
    while (!ended_ && on_duty_ >= on_duty_most_ && !is_let_go) {
        if (quiet < quiet_looks) {
            watching_.wait_for(lock, pause);
            replace_held_up(now_ns());
            quiet = all_are_busy() ? 0 : quiet + 1;
            pause = std::min(pause * 2, patience_ * rarest_look);
            continue;
        }
        asleep_.store(true, std::memory_order_seq_cst);
        if (!all_are_busy()) {
            watching_.wait(lock, [&] {
                return ended_ || on_duty_ < on_duty_most_ || is_let_go ||
                       !asleep_.load(std::memory_order_relaxed);
            });
        }
        asleep_.store(false, std::memory_order_relaxed);
        quiet = 0;
        pause = patience_;
    }
    watched_ = false;
}

// All that are on duty (who rests is never with an event). Sequentially consistent: see begin().
bool duty::all_are_busy() const {
    unsigned busy = 0;
    for (unsigned i = 0; i < workers_; ++i) {
        const place& each = places_[i];
        if (each.busy_since.load(std::memory_order_seq_cst) != 0 &&
            !each.replaced.load(std::memory_order_relaxed)) {
            ++busy;
        }
    }
    return busy >= on_duty_most_;
}

void duty::look_at_others(std::uint64_t now) {
    for (unsigned i = 0; i < workers_; ++i) {
        if (!places_[i].is_held_up(now, patience_ns_)) continue;
        const std::lock_guard lock(mutex_);
        if (replace_held_up(now)) {
            watching_.notify_one();
            ring_one();
        }
        return;
    }
}

// With mutex_ held: who is held up loses its place. Whether anybody was.
bool duty::replace_held_up(std::uint64_t now) {
    bool any = false;
    for (unsigned i = 0; i < workers_; ++i) {
        place& each = places_[i];
        if (!each.is_held_up(now, patience_ns_)) continue;
        each.replaced.store(true, std::memory_order_release);
        --on_duty_;
        any = true;
    }
    return any;
}

void duty::wake_watch_if_needed() {
    if (!all_are_busy()) return;
    const std::lock_guard lock(mutex_);
    asleep_.store(false, std::memory_order_relaxed);
    watching_.notify_one();
    ring_one();
}

}  // namespace allcores::concurrency
