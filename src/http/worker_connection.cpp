// What a worker does with a connection that it owns: read, parse, and let go of it or close it.
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "http/worker.h"

namespace allcores::http {
namespace {

constexpr std::size_t least_room = 16 * 1024;  // for a read into a connection's buffer
constexpr std::size_t worth_shrinking = 64 * 1024;
constexpr std::uint64_t linger_a_turn = 1u << 20;
constexpr std::uint64_t linger_in_all = 64u << 20;

}  // namespace

// `to_the_end`: read until the socket is empty or at its end; otherwise a short read is the end of
// it, because what comes later makes a new event.
void worker::serve(connection& connection, bool to_the_end) {
    for (;;) {
        if (step(connection, to_the_end) == next::closed) return;
        if (connection.exchange) return keep_held(connection);
        bool has_begun = connection.message.at() != message_state::stage::between ||
                         connection.output || connection.unread || connection.is_lingering;
        if (shared_.finished.load(std::memory_order_acquire) ||
            (shared_.draining.load(std::memory_order_acquire) && !has_begun)) {
            (void)close(connection);
            return;
        }
        set_deadline(connection);
        if (connection.owner.release()) return;
        if (is_overdue(connection) && time_out(connection) == next::closed) return;
        to_the_end = true;  // the event that came may have been the end
    }
}

worker::next worker::step(connection& connection, bool to_the_end) {
    progress_ = false;
    broken_ = false;
    if (connection.is_lingering) return linger(connection);
    if (connection.output) {
        continue_output(connection);
        if (broken_) return close(connection);
        if (connection.output) return next::let_go;
        if (connection.closing) return close_when_sent(connection);
        to_the_end = true;  // events of the input were passed over meanwhile
    }
    if (connection.held_back_since) {
        if (look_again(connection) == next::closed) return next::closed;
        if (is_stuck(connection)) return next::let_go;
        to_the_end = true;
    }
    if (connection.unread) {
        std::size_t size = std::exchange(connection.unread, 0);
        if (parse(connection, connection.input.data(), size) == next::closed) return next::closed;
        if (is_stuck(connection)) return next::let_go;
    }
    return read(connection, to_the_end);
}

worker::next worker::read(connection& connection, bool to_the_end) {
    for (;;) {
        std::size_t room = 0;
        char* at = room_for_input(connection, room);
        ssize_t count = ::recv(connection.socket.get(), at, room, MSG_DONTWAIT);
        if (count == 0) return close(connection);
        if (count < 0) {
            if (errno == EINTR) continue;
            return errno == EAGAIN ? next::let_go : close(connection);
        }
        auto size = static_cast<std::size_t>(count);
        counts_.bytes_received.add(size);
        if (!connection.input.empty()) connection.input.commit(size);
        if (parse(connection, at, size) == next::closed) return next::closed;
        while (connection.unread && !is_stuck(connection)) {  // behind a body read in handle()
            to_the_end = true;
            const std::size_t left = std::exchange(connection.unread, 0);
            if (parse(connection, connection.input.data(), left) == next::closed) {
                return next::closed;
            }
        }
        if (is_stuck(connection)) return next::let_go;
        if (size < room && !to_the_end) return next::let_go;
        if (connection.message.at() == message_state::stage::body) set_deadline(connection);
        if (is_overdue(connection)) return time_out(connection);
    }
}

// A tick finds only connections that nobody has. One whose head or body never ends and never pauses
// is not among them, so its owner looks at the clock itself.
bool worker::is_overdue(const connection& each) const {
    using waiting = connection::waiting;
    using stage = message_state::stage;
    bool in_head =
        each.waits_for == waiting::head && each.message.at() == stage::head && !progress_;
    bool in_body = each.waits_for == waiting::body && each.message.at() == stage::body;
    return (in_head || in_body) && server::shared::now_ns() / ns_a_ms >= each.deadline;
}

// The worker's own buffer, or behind the unfinished request that the connection keeps. That grows
// by doubling with what has come, not by what Content-Length promises.
char* worker::room_for_input(connection& connection, std::size_t& room) {
    byte_buffer& kept = connection.input;
    if (kept.empty()) {
        room = read_size;
        return input_.room(read_size);
    }
    std::uint64_t wanted = std::min<std::uint64_t>(connection.message.body_left(), kept.size());
    const char* before = kept.data();
    char* at = kept.room(std::max<std::size_t>(least_room, static_cast<std::size_t>(wanted)));
    if (kept.data() != before) connection.message.moved(kept.data());
    room = kept.capacity() - kept.size();
    return at;
}

worker::next worker::parse(connection& connection, char* data, std::size_t size) {
    current_ = &connection;
    batch_ = 0;
    parsing_ = true;
    request_parser::result result =
        parser_.feed(connection.message, data, size, client_of(connection));
    parsing_ = false;
    if (batch_) connection.body_since = 0;
    bool in_parts = false;
    if (result.what == request_parser::outcome::more) {
        note_body(connection, size);
        in_parts = goes_in_parts(connection);
    }
    // It may read the body before it returns, and then what follows in `unread`.
    if (in_parts) parser_.hand_over(connection.message, client_of(connection));
    if (std::exchange(has_seat_, false))
        give_seat_back();  // the application did not get the request
    if (entered_ && !application_.finish_batch()) leave();
    switch (result.what) {
        case request_parser::outcome::more:
            if (!in_parts && connection.message.awaits_continue() && !connection.exchange) {
                collected_.append("HTTP/1.1 100 Continue\r\n\r\n");
                connection.message.continued();
            }
            if (in_parts) {
                if (connection.closing && !connection.exchange && connection.unread) {
                    connection.lingers = true;
                    connection.unread = 0;
                }
                if (!connection.unread) keep_input(connection, nullptr, 0);
                break;
            }
            keep_input(connection, connection.message.origin(),
                       connection.message.kept(data + size));
            break;
        case request_parser::outcome::stopped: {
            auto left = static_cast<std::size_t>(data + size - result.end);
            if (connection.closing && !connection.exchange) {
                connection.lingers = left > 0;
            } else {
                keep_input(connection, data + size - left, left);
                connection.unread = left;
            }
            break;
        }
        case request_parser::outcome::failed:
            write_error(connection, result.status, woken_ns_);
            break;
    }
    send_collected(connection);
    note_replies();
    flush_log();
    if (broken_) return close(connection);
    if (connection.output || !connection.closing || connection.exchange) return next::let_go;
    return close_when_sent(connection);
}

// Nothing more is read from it for now.
bool worker::is_stuck(const connection& connection) {
    return connection.output || connection.is_lingering || connection.exchange ||
           connection.held_back_since;
}

// Makes these bytes, which lie in the worker's or in the connection's buffer, all that the
// connection keeps.
void worker::keep_input(connection& connection, char* begin, std::size_t size) {
    byte_buffer& kept = connection.input;
    if (size == 0) {
        if (kept.capacity()) kept = byte_buffer();
        return;
    }
    const bool is_mostly_empty = connection.spool && kept.capacity() >= size + worth_shrinking;
    if (begin != kept.data() || kept.empty() || is_mostly_empty) {
        byte_buffer fresh;
        fresh.append({begin, size});
        kept = std::move(fresh);
        if (connection.message.origin()) connection.message.moved(kept.data());
    } else {
        kept.resize_down(size);
    }
}

// The log is still to be flushed.
worker::next worker::refuse(connection& connection, int status, std::uint64_t began_ns) {
    current_ = &connection;
    batch_ = 0;
    broken_ = false;
    write_error(connection, status, began_ns);
    send_collected(connection);
    if (broken_) return close(connection);
    return connection.output ? next::let_go : close_when_sent(connection);
}

// When the other side may still be sending, closing would answer its bytes with a reset, which can
// overtake the reply: so we say that we are done and read on for a while.
worker::next worker::close_when_sent(connection& connection) {
    if (!connection.lingers) return close(connection);
    ::shutdown(connection.socket.get(), SHUT_WR);
    connection.is_lingering = true;
    connection.input = byte_buffer();
    connection.unread = 0;
    return linger(connection);
}

worker::next worker::linger(connection& connection) {
    std::uint64_t this_turn = 0;
    while (this_turn < linger_a_turn) {
        ssize_t count =
            ::recv(connection.socket.get(), input_.room(read_size), read_size, MSG_DONTWAIT);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0 && errno == EAGAIN) return next::let_go;
        if (count <= 0) return close(connection);
        this_turn += static_cast<std::uint64_t>(count);
    }
    connection.discarded += this_turn;
    if (connection.discarded >= linger_in_all) return close(connection);
    shared_.reactor->rearm(connection.socket.get(),
                           reinterpret_cast<net::reactor::token>(&connection),
                           net::reactor::interest::read);
    return next::let_go;
}

worker::next worker::close(connection& connection) {
    shared_.reactor->remove(connection.socket.get());
    counts_.connections_closed.add(1);
    bool was_last = shared_.pool.give_back(connection);
    if (was_last && shared_.draining.load(std::memory_order_seq_cst)) shared_.finish();
    return next::closed;
}

// A new deadline when it waits for something else than before, or got some of what it waited for.
// Rounded up to the tick, so that a busy connection's deadline changes a few times a second and not
// with every request.
void worker::set_deadline(connection& connection) {
    using waiting = connection::waiting;
    const limits& limits = shared_.options.limits;
    waiting now = waiting::request;
    std::uint64_t timeout_ms =
        connection.is_new ? std::min(limits.header_timeout_ms, limits.keep_alive_timeout_ms)
                          : limits.keep_alive_timeout_ms;
    if (connection.is_lingering) {
        now = waiting::client;
        timeout_ms = limits.linger_timeout_ms;
    } else if (connection.output) {
        now = waiting::output;
        timeout_ms = limits.send_timeout_ms;
    } else if (connection.message.at() == message_state::stage::head) {
        now = waiting::head;
        timeout_ms = limits.header_timeout_ms;
    } else if (connection.held_back_since) {
        now = waiting::place;
        timeout_ms = 0;
    } else if (connection.message.at() == message_state::stage::body) {
        now = waiting::body;
        timeout_ms = limits.body_timeout_ms;
    }
    if (now == connection.waits_for && !progress_) return;
    connection.waits_for = now;
    std::uint64_t deadline = last_ns_ / ns_a_ms + timeout_ms;
    if (now == waiting::body) {
        deadline =
            body_deadline(limits, connection.body_since, last_ns_ / ns_a_ms, connection.body_bytes);
    }
    deadline += shared_.tick_ms;
    deadline -= deadline % shared_.tick_ms;
    if (deadline == connection.deadline) return;
    connection.deadline = deadline;
    shared_.pool.set_deadline(connection, deadline);
}

}  // namespace allcores::http
