// Serving within a loop that waits by itself (libuv's, under uvloop): it watches our descriptors,
// and calls look() when one of them is readable. Three things differ from turn():
//
// - Nobody sees when that loop is held up by something that we don't know of. So there are no
// places
//   on duty: all workers watch the shared set, and whoever is free takes what comes. That wakes
//   more threads than needed, and is why asyncio's own loop costs less here.
// - What is due at a time needs a timer that the loop can watch.
// - What the application does outside of look() and what has to be followed by one (a response that
//   is complete: its connection goes on) rings for it, by the worker's own set.
#include <algorithm>

#include "http/worker.h"

namespace allcores::http {
namespace {

constexpr unsigned events_a_look = 16;              // then the loop gets its share,
constexpr std::uint64_t longest_look_ns = 400'000;  // or after so long
constexpr std::uint64_t without_limit = ~std::uint64_t{0};

}  // namespace

std::array<int, 3> worker::descriptors() {
    if (!alarm_) alarm_ = std::make_unique<net::timer>();
    return {own_->pollable(), shared_.reactor->pollable(), alarm_->get()};
}

port::turned worker::look() {
    entered_ = looking_ = true;
    if (on_duty_ && shared_.duties.finish(number_)) on_duty_ = false;
    const std::uint64_t began = last_ns_ = server::shared::now_ns();
    if (alarm_at_ns_ && began >= alarm_at_ns_) {
        (void)alarm_->take();
        alarm_at_ns_ = 0;
    }
    turned result = turned::timeout;
    for (unsigned served = 0;;) {
        if (!prepare()) {
            result = turned::ended;
            break;
        }
        if (serve_one()) {
            if (++served < events_a_look && last_ns_ - began < longest_look_ns) continue;
            break;
        }
        if (to_resume_.empty() && !idled()) break;
    }
    send_unsent();
    enter();
    last_ns_ = server::shared::now_ns();
    looking_ = false;
    if (!to_resume_.empty()) want_look();
    const std::uint64_t due = last_ns_ + until_due_ns(without_limit);
    if (!alarm_at_ns_ || due < alarm_at_ns_) {
        alarm_->tick_at(due);
        alarm_at_ns_ = due;
    }
    if (on_duty_) shared_.duties.begin(number_, last_ns_);
    return result;
}

void worker::rest() {
    if (on_duty_ && shared_.duties.finish(number_)) on_duty_ = false;
}

void worker::want_look() {
    if (!alarm_ || looking_ || rung_) return;
    rung_ = true;
    own_->wake();
}

}  // namespace allcores::http
