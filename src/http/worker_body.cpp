// When the application gets a request whose body has not come yet, and where the body is until
// then.
//
// An application that blocks while it reads (WSGI) holds its worker for as long as its client
// likes. So of the bodies that are longer than awaited_body(), or of unknown length,
// - one whose client is fast is handed over while it still comes, on all workers but one for each
//   core: whoever has a seat may wait for the rest. That costs nothing, and most clients (proxies,
//   for example) are fast. Where all seats are taken, it waits a moment for one, unread;
// - every other one is collected first, in a file, by whichever worker is free when a part comes;
// - one that can't be, since the disk or the server's share of it is full, is not read until there
//   is room or a seat, and refused after body_timeout.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "http/worker.h"

namespace allcores::http {
namespace {

constexpr std::uint64_t longest_after_continue = 64 * 1024;
// In memory; what is more goes to the file, and out of it, in pieces of this size.
constexpr std::size_t spool_block = 64 * 1024;
// A client is fast that has sent a block, at a megabyte a second or more.
constexpr std::uint64_t fast_bytes_a_ms = 1000;

}  // namespace

// A body that is short, and whose length is known, is as good as here.
bool worker::goes_in_parts(connection& connection) {
    const message_state& message = connection.message;
    if (message.at() != message_state::stage::body || message.streams() ||
        !application_.takes_parts()) {
        return false;
    }
    const std::uint64_t awaited = application_.awaited_body();
    const bool collects = application_.waits_for_body() && shared_.spools.most() != 0;
    if (collects) {
        const std::uint64_t size = message.body_here().size() + message.body_left();
        const bool is_short = !message.is_chunked() && !connection.spool && size <= awaited;
        return !is_short && !is_whole_first(connection);
    }
    // Whether a client shall continue with a long body is the application's to say.
    const bool asks = message.awaits_continue();
    return message.is_chunked() ||
           message.body_left() > (asks ? std::min(awaited, longest_after_continue) : awaited);
}

// Whether the application has to wait for more of it.
bool worker::is_whole_first(connection& connection) {
    if (connection.message.body_here().size() < spool_block) return true;
    const std::uint64_t now_ms = std::max<std::uint64_t>(1, last_ns_ / ns_a_ms);
    std::uint64_t& held_back_since = connection.held_back_since;
    const std::uint64_t waited_ms = held_back_since ? now_ms - held_back_since : 0;
    if (comes_fast(connection, now_ms - waited_ms)) {
        if (take_seat(connection)) return false;
        // Others that are fast have the seats, and soon no more.
        const bool may_wait = shared_.seats.exist() && waited_ms < shared_.tick_ms / 2;
        if (may_wait && !connection.spool) {
            if (held_back_since) return true;
            shared_.seats.wait(connection);
            held_back_since = now_ms;
            return !take_seat(connection);
        }
    }
    if (spool_body(connection)) {
        connection.body_since += waited_ms;  // which is no fault of the client's
        held_back_since = 0;
        return true;
    }
    if (take_seat(connection)) return false;
    if (!held_back_since) held_back_since = now_ms;
    return true;
}

// These bytes were the last that came of an unfinished request.
void worker::note_body(connection& connection, std::size_t size) {
    if (connection.message.at() != message_state::stage::body) return;
    progress_ = true;
    last_ns_ = server::shared::now_ns();  // a long upload can be one event
    if (!connection.body_since) {
        connection.body_since = last_ns_ / ns_a_ms;
        connection.body_bytes = 0;
    }
    connection.body_bytes += size;
}

bool worker::comes_fast(const connection& connection, std::uint64_t until_ms) {
    return connection.body_bytes / fast_bytes_a_ms >= until_ms - connection.body_since;
}

// Puts what has come into the connection's file, in whole blocks: writing those costs least. False:
// it is where it was.
bool worker::spool_body(connection& connection) {
    leave();
    if (!connection.spool) connection.spool = body_spool::make(shared_.spools);
    std::string_view here = connection.message.body_here();
    here = here.substr(0, here.size() - here.size() % spool_block);
    if (connection.spool && connection.spool->add(here)) {
        connection.message.take_body(here.size());
        return true;
    }
    const int error = errno;
    if (shared_.spools.may_complain(last_ns_ / ns_a_ms)) {
        const bool is_full = connection.spool && error == ENOSPC;
        shared_.log(log_level::warning,
                    std::string("no more of long bodies can be kept until they are whole (") +
                        (is_full ? "body_buffer or the disk is full" : std::strerror(error)) +
                        "): they wait for a worker that may wait for them");
    }
    return false;
}

bool worker::take_seat(connection& connection) {
    if (!shared_.seats.take()) return false;
    connection.held_back_since = 0;
    return has_seat_ = true;
}

void worker::give_seat_back() {
    if (shared_.seats.give_back()) shared_.reactor->wake();
}

void exchange::give_seat_back() {
    if (std::exchange(has_seat_, false)) home_.give_seat_back();
}

// Somebody has woken one worker, and this is the one: the server stops, or a seat is free.
void worker::look_around() {
    if (shared_.draining.load(std::memory_order_relaxed)) sweep();
    while (shared_.seats.has_free()) {
        connection* const next = shared_.seats.next();
        if (!next) return;
        if (!next->owner.acquire_for_event()) continue;  // who has it looks again
        if (!next->held_back_since) {                    // it is served already
            if (!next->owner.release()) serve(*next, true);
            continue;
        }
        // There may be more than one seat, and this one's application takes its time.
        if (shared_.seats.has_waiting()) shared_.reactor->wake();
        return serve(*next, true);
    }
}

// One that is held back: whether it can go on.
worker::next worker::look_again(connection& connection) {
    const std::uint64_t since = connection.held_back_since;
    byte_buffer& kept = connection.input;
    if (parse(connection, kept.data() + kept.size(), 0) == next::closed) return next::closed;
    const bool is_over = last_ns_ / ns_a_ms >= since + shared_.options.limits.body_timeout_ms;
    if (!connection.held_back_since || !is_over) return next::let_go;
    connection.held_back_since = 0;
    counts_.timeouts.add(1);
    const next after = refuse(connection, 503, connection.body_since * ns_a_ms);
    flush_log();
    return after;
}

// The next of what was collected.
void worker::read_spool(exchange& exchange) {
    body_spool& spool = *exchange.spool_;
    byte_buffer& to = exchange.input_;
    const std::ptrdiff_t count = spool.read(to.room(spool_block), spool_block);
    if (count > 0) return to.commit(static_cast<std::size_t>(count));
    if (count < 0) {
        shared_.log(log_level::error,
                    std::string("a body that was kept can't be read: ") + std::strerror(errno));
        return refuse_held(exchange, 500);
    }
    to = std::move(spool.tail);
    exchange.spool_.reset();
}

}  // namespace allcores::http
