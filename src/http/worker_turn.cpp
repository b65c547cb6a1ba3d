// Serving from inside an application's own loop: one wait for three things at once, requests that
// are for any worker (the shared set), connections whose requests this worker's application keeps
// (its own set), and what the loop watches (the loop's descriptor).
//
// Who has a place on duty waits on the shared set too. Who has none, and keeps requests, does not
// rest, since its own events come to nobody else: it is told when a place becomes free.
#include <poll.h>

#include <algorithm>

#include "http/worker.h"

namespace allcores::http {
namespace {

constexpr std::uint64_t never = ~std::uint64_t{0};
constexpr unsigned events_a_turn = 16;          // then the loop gets its share
constexpr std::uint64_t longest_wait_ms = 500;  // then a look for the worker's retirement

}  // namespace

port::turned worker::turn(std::int64_t timeout_ns, int loop_descriptor) {
    entered_ = true;
    if (on_duty_ && shared_.duties.finish(number_)) on_duty_ = false;
    const std::uint64_t began = last_ns_ = server::shared::now_ns();
    const std::uint64_t end =
        timeout_ns < 0 ? never : began + static_cast<std::uint64_t>(timeout_ns);
    turned result = turned::loop;
    for (unsigned served = 0;;) {
        if (!prepare()) {
            result = turned::ended;
            break;
        }
        if (serve_one()) {
            if (timeout_ns == 0 || application_.wants_turn_over()) break;
            if (++served < events_a_turn) continue;
            if (!application_.is_idle()) break;
            served = 0;  // the loop has nothing that could wait
            continue;
        }
        if (!to_resume_.empty()) continue;
        if (timeout_ns == 0 || application_.wants_turn_over()) break;
        if (!wait_for_any(end, loop_descriptor, result)) break;
    }
    send_unsent();
    enter();
    if (on_duty_) shared_.duties.begin(number_, last_ns_);
    return result;
}

// What comes before the next event. False: the server has ended, or this worker has.
bool worker::prepare() {
    send_unsent();
    (void)resume_finished();
    look_at_held();
    flush_log();
    if (shared_.finished.load(std::memory_order_acquire)) return false;
    if (!retires()) {
        take_duty();
        return true;
    }
    if (on_duty_) shared_.duties.leave(number_);
    on_duty_ = false;
    const std::uint64_t by = shared_.workers[number_]->retire_by_ms.load(std::memory_order_relaxed);
    if (held_.empty() || last_ns_ / ns_a_ms >= by) return false;
    next_held_deadline_ms_ = std::min(next_held_deadline_ms_, by);
    return true;
}

// A place on duty, or word when there may be one.
void worker::take_duty() {
    if (on_duty_) return;
    if (held_.empty() && application_.is_idle()) {
        leave();
        shared_.duties.join(number_);
        enter();
        on_duty_ = true;
    } else {
        on_duty_ = shared_.duties.try_join(number_, try_again_ns_);
    }
}

// One event that is there already.
bool worker::serve_one() {
    net::reactor::event event;
    if (!held_.empty() || looking_) {
        switch (own_->wait(event, 0)) {
            case net::reactor::outcome::ready:
                note_wakeup();
                handle_own_event(event);
                return true;
            case net::reactor::outcome::woken:
                rung_ = false;
                return true;
            default:
                break;
        }
    }
    if (!on_duty_) return false;
    return serve_shared(shared_.reactor->wait(event, 0), event);
}

bool worker::serve_shared(net::reactor::outcome outcome, const net::reactor::event& event) {
    switch (outcome) {
        case net::reactor::outcome::ready:
            note_time();
            dispatch(event);
            if (last_ns_ == woken_ns_) last_ns_ = server::shared::now_ns();
            counts_.busy_ns.add(last_ns_ - woken_ns_);
            break;
        case net::reactor::outcome::woken:
            note_time();
            look_around();
            break;
        default:
            return false;
    }
    if (shared_.draining.load(std::memory_order_relaxed) &&
        last_ns_ / ns_a_ms >= shared_.drain_deadline_ms.load(std::memory_order_relaxed)) {
        shared_.finish();
    }
    if (shared_.duties.finish(number_)) on_duty_ = false;
    return true;
}

// Whether the moment was used for what the application does when there is nothing else.
bool worker::idled() {
    if (!application_.wants_idle()) return false;
    if (on_duty_) shared_.duties.begin(number_, server::shared::now_ns());
    const bool at_length = !shared_.somebody_idles.test_and_set(std::memory_order_acquire);
    application_.idle(at_length);
    if (at_length) shared_.somebody_idles.clear(std::memory_order_release);
    if (on_duty_ && shared_.duties.finish(number_)) on_duty_ = false;
    return true;
}

// How long may be waited from last_ns_ on.
std::uint64_t worker::until_due_ns(std::uint64_t limit_ns) const {
    const std::uint64_t wait_ns = std::min(limit_ns, longest_wait_ms * ns_a_ms);
    if (next_held_deadline_ms_ == never) return wait_ns;
    const std::uint64_t now_ms = last_ns_ / ns_a_ms;
    return std::min(wait_ns, (std::max(next_held_deadline_ms_, now_ms + 1) - now_ms) * ns_a_ms);
}

// Nothing is there: waits. True: look again; false: `result`.
bool worker::wait_for_any(std::uint64_t end, int loop_descriptor, turned& result) {
    if (idled()) return true;
    last_ns_ = server::shared::now_ns();
    if (last_ns_ >= end) {
        result = turned::timeout;
        return false;
    }
    std::uint64_t wait_ns = until_due_ns(end - last_ns_);
    const bool alone = held_.empty() && application_.is_idle();
    leave();
    if (alone && on_duty_) {
        net::reactor::event event;
        const net::reactor::outcome outcome =
            shared_.reactor->wait(event, static_cast<int>((wait_ns + ns_a_ms - 1) / ns_a_ms));
        (void)serve_shared(outcome, event);
        enter();
        return true;
    }
    if (!on_duty_) wait_ns = std::min(wait_ns, try_again_ns_);
    pollfd waiting[3] = {{own_->pollable(), POLLIN, 0},
                         {loop_descriptor, POLLIN, 0},
                         {shared_.reactor->pollable(), POLLIN, 0}};
    timespec timeout{static_cast<time_t>(wait_ns / 1'000'000'000),
                     static_cast<long>(wait_ns % 1'000'000'000)};
    const int ready = ::ppoll(waiting, on_duty_ ? 3 : 2, &timeout, nullptr);
    enter();
    last_ns_ = server::shared::now_ns();
    if (ready > 0 && waiting[1].revents) {
        result = turned::loop;
        return false;
    }
    if (ready > 0 && waiting[0].revents && held_.empty()) {
        net::reactor::event event;
        (void)own_->wait(event, 0);  // the wake-up itself
    }
    return true;
}

// A connection of this worker's own: more of a body, room for output, or its end.
void worker::handle_own_event(const net::reactor::event& event) {
    auto& found = *reinterpret_cast<connection*>(event.source);
    exchange* own = found.exchange.get();
    if (!own || own->finished_ || own->gone_) return;
    if (found.output) {
        const exchange::output sent = send_pending(*own);
        if (sent == exchange::output::done && own->wants_room_) {
            own->wants_room_ = false;
            if (!own->wants_input_ && !own->raw_) own->deadline_ms_ = 0;
            if (own->listener_) own->listener_->on_room();
        }
    }
    if (!own->gone_ && !own->finished_ && own->wants_input_) {
        read_more(*own);
        if (!own->gone_ && (own->ended_ || !own->unread().empty())) {
            own->wants_input_ = false;
            if (!own->wants_room_ && !own->raw_) own->deadline_ms_ = 0;
            if (own->listener_) own->listener_->on_input();
        }
    }
    if (!own->gone_ && !own->finished_ && event.hung_up && own->wants_end_) fail(*own);
    if (own->gone_) tell_gone(*own);
}

void worker::tell_gone(exchange& exchange) {
    exchange::listener* listener = std::exchange(exchange.listener_, nullptr);
    if (listener && !exchange.finished_) listener->on_gone();
}

void worker::set_held_deadline(exchange& exchange, std::uint64_t after_ms) {
    if (alarm_ && !looking_) last_ns_ = server::shared::now_ns();
    exchange.deadline_ms_ = last_ns_ / ns_a_ms + after_ms;
    next_held_deadline_ms_ = std::min(next_held_deadline_ms_, exchange.deadline_ms_);
    if (next_held_deadline_ms_ * ns_a_ms < alarm_at_ns_) want_look();
}

// Those that have waited for their client for too long; and once, that the server comes to its end.
void worker::look_at_held() {
    if (!told_drain_ && (shared_.draining.load(std::memory_order_relaxed) || retires())) {
        told_drain_ = true;
        const std::vector<connection*> all = held_;
        for (connection* each : all) {
            exchange* own = each->exchange.get();
            if (own && !own->finished_ && own->listener_) own->listener_->on_drain();
        }
    }
    const std::uint64_t now = last_ns_ / ns_a_ms;
    if (next_held_deadline_ms_ > now) return;
    next_held_deadline_ms_ = never;
    const std::vector<connection*> all = held_;
    for (connection* each : all) {
        exchange* own = each->exchange.get();
        if (!own || own->finished_ || own->gone_ || !own->deadline_ms_) continue;
        if (own->deadline_ms_ > now) {
            next_held_deadline_ms_ = std::min(next_held_deadline_ms_, own->deadline_ms_);
            continue;
        }
        own->deadline_ms_ = 0;
        if (own->listener_ && own->listener_->on_timeout()) continue;
        if (own->finished_ || own->gone_) continue;
        counts_.timeouts.add(1);
        own->wants_input_ ? refuse_held(*own, 408) : fail(*own);
        tell_gone(*own);
    }
}

// Heads whose bodies let the client wait.
void worker::send_unsent() {
    if (unsent_.empty()) return;
    const std::vector<connection*> all = std::exchange(unsent_, {});
    for (connection* each : all) {
        exchange* own = each->exchange.get();
        if (!own || own->finished_ || own->gone_ || own->out_.empty()) continue;
        if (send_out(*own, {}) == exchange::output::gone) tell_gone(*own);
    }
}

// The server has ended: nobody gets more of these.
void worker::end_held() {
    enter();
    send_unsent();
    while (!held_.empty()) {
        connection& last = *held_.back();
        exchange& own = *last.exchange;
        if (!own.finished_) {
            own.gone_ = true;
            tell_gone(own);
        }
        release_held(last);
        (void)close(last);
    }
    to_resume_.clear();
    leave();
}

}  // namespace allcores::http
