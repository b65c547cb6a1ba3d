#include "http/worker.h"

#include <algorithm>
#include <system_error>

namespace allcores::http {
namespace {

constexpr int connections_a_turn = 64;
// One that waits for events can't be woken by itself, and need not be in a hurry.
constexpr int look_for_retirement_ms = 500;

std::int64_t unix_seconds() {
    timespec now;
    ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return now.tv_sec;
}

limits limits_for(limits all, const application& application) {
    if (application.takes_parts()) all.max_body_bytes = all.max_streamed_bytes;
    return all;
}

}  // namespace

worker::worker(server::shared& shared, unsigned number, application& application,
               worker_statistics& counts)
    : shared_(shared),
      number_(number),
      application_(application),
      counts_(counts),
      parser_(limits_for(shared.options.limits, application), *this),
      head_(shared.options.server_name, shared.options.fields, shared.options.says_date) {
    (void)input_.room(read_size);
    input_.forget();  // most of it is never used: few requests are that long
}

void worker::run() {
    application_.begin(*this);
    if (application_.has_loop()) {
        own_ = net::make_reactor();
        shared_.duties.set_bell(number_, [this] { own_->wake(); });
        application_.drive();
        entered_ = false;
        shared_.duties.set_bell(number_, nullptr);
        end_held();
        if (on_duty_) shared_.duties.leave(number_);
    } else {
        serve_until_end();
        shared_.duties.leave(number_);
    }
    // (One that retires leaves them to the others.)
    if (shared_.finished.load(std::memory_order_acquire)) cut_what_nobody_has();
    flush_log();
}

void worker::serve_until_end() {
    shared_.duties.join(number_);
    while (!shared_.finished.load(std::memory_order_acquire) && !retires()) {
        net::reactor::event event;
        switch (wait(event)) {
            case net::reactor::outcome::ready:
                note_time();
                dispatch(event);
                if (last_ns_ == woken_ns_) last_ns_ = server::shared::now_ns();
                counts_.busy_ns.add(last_ns_ - woken_ns_);
                finish_event();
                break;
            case net::reactor::outcome::woken:
                note_time();
                look_around();
                finish_event();
                break;
            case net::reactor::outcome::nothing:
            case net::reactor::outcome::ended:
                break;
        }
        if (shared_.draining.load(std::memory_order_relaxed) &&
            last_ns_ / ns_a_ms >= shared_.drain_deadline_ms.load(std::memory_order_relaxed)) {
            shared_.finish();
        }
    }
    leave();
}

net::reactor::outcome worker::wait(net::reactor::event& event) {
    if (entered_ || application_.wants_idle()) {
        net::reactor::outcome ready = shared_.reactor->wait(event, 0);
        if (ready != net::reactor::outcome::nothing) return ready;
        if (application_.wants_idle()) {
            // It may take long, so it counts as an event: others wait for them meanwhile. Not for
            // all at once, or nobody would.
            shared_.duties.begin(number_, server::shared::now_ns());
            const bool at_length = !shared_.somebody_idles.test_and_set(std::memory_order_acquire);
            enter();
            application_.idle(at_length);
            if (at_length) shared_.somebody_idles.clear(std::memory_order_release);
            finish_event();
        }
        leave();
    }
    return shared_.reactor->wait(event, look_for_retirement_ms);
}

// Somebody else may wait for events in this worker's place by now: then it rests.
void worker::finish_event() {
    if (!shared_.duties.finish(number_)) return;
    leave();
    shared_.duties.join(number_);
}

void worker::note_wakeup() {
    counts_.wakeups.add(1);
    woken_ns_ = last_ns_ = server::shared::now_ns();
    head_.now(unix_seconds());
}

// The same, and what comes now counts for who looks whether this worker is held up.
void worker::note_time() {
    note_wakeup();
    shared_.duties.begin(number_, woken_ns_);
}

void worker::dispatch(const net::reactor::event& event) {
    if (event.source % 2 == 0) {
        auto& found = *reinterpret_cast<connection*>(event.source);
        if (found.owner.acquire_for_event()) serve(found, event.hung_up);
    } else if (event.source == server::shared::timer_token) {
        tick();
    } else {
        accept_from((event.source - server::shared::listener_token(0)) / 2);
    }
}

// A bounded number, then the listener is reported again, to whoever is free.
void worker::accept_from(std::size_t index) {
    net::listener& listener = shared_.listeners[index];
    for (int i = 0; i < connections_a_turn; ++i) {
        net::descriptor socket;
        net::address from;
        switch (listener.accept(socket, from)) {
            case net::accepted::connection:
                add_connection(std::move(socket), from);
                break;
            case net::accepted::again:
                break;
            case net::accepted::none:
                return;
            case net::accepted::exhausted:
                if (last_ns_ / ns_a_ms >= exhausted_ms_ + 1000) {
                    exhausted_ms_ = last_ns_ / ns_a_ms;
                    shared_.log(log_level::warning, "no descriptors left: connections are refused");
                }
                if (!shared_.reserve.turn_away(listener)) {
                    shared_.accept_stalled.store(true, std::memory_order_relaxed);
                    return;
                }
        }
    }
    shared_.reactor->rearm(listener.get(), server::shared::listener_token(index),
                           net::reactor::interest::read);
}

// It is this worker's while it is put into the set; an event that comes meanwhile makes it pending.
void worker::add_connection(net::descriptor socket, const net::address& from) {
    counts_.connections_accepted.add(1);
    connection* added = shared_.pool.take();
    if (!added) {  // so many that even the refusals wait
        counts_.connections_closed.add(1);
        return;
    }
    added->socket = std::move(socket);
    added->client = {from.host(), from.port()};
    added->is_trusted = shared_.options.front.proxies.trusts(added->client.host);
    try {
        shared_.reactor->add(added->socket.get(), reinterpret_cast<net::reactor::token>(added),
                             net::reactor::interest::read);
    } catch (const std::system_error& error) {
        shared_.log(log_level::error, error.what());
        (void)close(*added);
        return;
    }
    if (shared_.pool.open() > shared_.options.limits.max_connections) {
        const next after = refuse(*added, 503, last_ns_);
        flush_log();
        if (after == next::closed) return;
    }
    set_deadline(*added);
    if (!added->owner.release()) {
        serve(*added, true);
    } else if (shared_.draining.load(std::memory_order_seq_cst) &&
               added->owner.acquire_for_event()) {
        serve(*added, true);  // the sweep may have passed its place already
    }
}

void worker::tick() {
    (void)shared_.timer.take();
    if (shared_.accept_stalled.exchange(false, std::memory_order_relaxed)) {
        for (std::size_t i = 0; i < shared_.listeners.size(); ++i) {
            shared_.reactor->rearm(shared_.listeners[i].get(), server::shared::listener_token(i),
                                   net::reactor::interest::read);
        }
    }
    time_out_those_due();
    if (shared_.draining.load(std::memory_order_acquire)) sweep();
}

// No handler is called while other workers are kept from looking, and no log written: one that does
// not return would keep them for ever.
void worker::time_out_those_due() {
    if (shared_.looking_at_deadlines.test_and_set(std::memory_order_acquire)) return;
    std::uint64_t now = last_ns_ / ns_a_ms;
    std::uint32_t size = shared_.pool.size();
    for (std::uint32_t i = 0; i < size; ++i) {
        std::uint64_t due = shared_.pool.deadline(i);
        if (due == 0 || due > now) continue;
        connection& found = shared_.pool.at(i);
        if (!found.owner.acquire_if_idle()) continue;
        bool is_due = found.deadline != 0 && found.deadline <= now;
        const bool looks_again = is_due && found.waits_for == connection::waiting::place;
        if (is_due && !looks_again && time_out(found) == next::closed) continue;
        if (looks_again || !found.owner.release()) to_serve_.push_back(&found);
    }
    shared_.looking_at_deadlines.clear(std::memory_order_release);
    flush_log();
    for (connection* each : to_serve_) serve(*each, true);
    to_serve_.clear();
}

// A client that has begun a request is told; one that has not, or does not read, would not listen.
worker::next worker::time_out(connection& connection) {
    counts_.timeouts.add(1);
    bool has_begun = connection.waits_for == connection::waiting::head ||
                     connection.waits_for == connection::waiting::body;
    if (!has_begun) return close(connection);
    // The deadline was set when it began.
    const std::uint64_t began_ms =
        connection.waits_for == connection::waiting::body
            ? connection.body_since
            : connection.deadline -
                  std::min<std::uint64_t>(connection.deadline,
                                          shared_.options.limits.header_timeout_ms);
    if (refuse(connection, 408, began_ms * ns_a_ms) == next::closed) return next::closed;
    set_deadline(connection);
    return next::let_go;
}

void worker::sweep() {
    std::uint32_t size = shared_.pool.size_after_all_taken();
    while (shared_.swept.load(std::memory_order_relaxed) < size) {
        std::uint32_t place = shared_.swept.fetch_add(1, std::memory_order_relaxed);
        if (place >= size) return;
        connection& found = shared_.pool.at(place);
        if (found.owner.acquire_for_event()) serve(found, true);
    }
}

void worker::cut_what_nobody_has() {
    std::uint32_t size = shared_.pool.size();
    for (std::uint32_t i = 0; i < size; ++i) {
        connection& found = shared_.pool.at(i);
        if (found.owner.acquire_if_idle()) (void)close(found);
    }
}

}  // namespace allcores::http
