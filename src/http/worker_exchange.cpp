// Requests that the application keeps: what an exchange does, and when its connection goes back to
// the others.
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "http/status.h"
#include "http/worker.h"

namespace allcores::http {
namespace {

constexpr std::uint64_t longest_discarded = 1 << 20;  // of a body that nobody wants
constexpr int look_for_end_ms = 250;                  // of the server, while waiting for one client

}  // namespace

exchange& worker::hold() {
    if (!current_->exchange) make_exchange(*handled_);
    return *current_->exchange;
}

// Replies to earlier requests of the batch go first.
void worker::make_exchange(const request& request) {
    connection& connection = *current_;
    connection.exchange = std::make_unique<exchange>(*this, connection);
    exchange& made = *connection.exchange;
    made.is_head_ = request.method_number == HTTP_HEAD;
    made.http_1_0_ = request.minor == 0;
    made.ended_ = request.ended;
    made.has_seat_ = std::exchange(has_seat_, false);
    made.spool_ = std::move(connection.spool);
    made.begun_ns_ = woken_ns_;
    hand_on_log(made);
    (made.spool_ ? made.spool_->tail : made.input_).append(request.body);
    made.out_.append(collected_.view());
    collected_.clear();
    if (shared_.draining.load(std::memory_order_relaxed) || !request.keep_alive) {
        connection.closing = true;
    }
}

// Whether to go on with the next request of the batch.
bool worker::end_of_handle(const request& request) {
    connection& connection = *current_;
    exchange& held = *connection.exchange;
    held.in_handle_ = false;
    if (!held.finished_ && !held.gone_) return false;
    if (held.gone_) {
        tell_gone(held);
        broken_ = !held.refused_;
    }
    if (held.refused_ || held.drops_rest()) {
        connection.closing = connection.lingers = true;
    }
    // All of it came and went inside handle(), but perhaps for what the socket has no room for:
    // then it was watched here, and is the others' again.
    unwatch(held);
    connection.exchange.reset();
    if (connection.output) watch_output(connection, false);
    return !connection.closing && !connection.output && !broken_;
}

void worker::on_body(std::string_view part) {
    if (!current_->exchange) return;
    exchange& held = *current_->exchange;
    (held.spool_ ? held.spool_->tail : held.input_).append(part);
}

bool worker::on_body_end() {
    current_->body_since = 0;
    if (!current_->exchange) return true;
    current_->exchange->ended_ = true;
    current_->exchange->give_seat_back();
    return false;
}

void worker::keep_held(connection& connection) {
    exchange& kept = *connection.exchange;
    if (kept.place_) return;
    held_.push_back(&connection);
    kept.place_ = static_cast<std::uint32_t>(held_.size());
    if (connection.output) watch(kept);
    if (kept.raw_ && connection.unread && kept.listener_) kept.listener_->on_input();
}

void worker::release_held(connection& connection) {
    exchange& kept = *connection.exchange;
    unwatch(kept);
    if (kept.place_) {
        held_[kept.place_ - 1] = held_.back();
        held_[kept.place_ - 1]->exchange->place_ = kept.place_;
        held_.pop_back();
    }
    connection.exchange.reset();
}

void worker::resume_soon(exchange& exchange) {
    if (exchange.in_handle_ || exchange.will_resume_) return;
    exchange.will_resume_ = true;
    to_resume_.push_back(&exchange.connection_);
    want_look();
}

bool worker::resume_finished() {
    if (to_resume_.empty()) return false;
    while (!to_resume_.empty()) {
        connection* next = to_resume_.back();
        to_resume_.pop_back();
        resume(*next);
    }
    return true;
}

// The application is done with its request: the connection is like any other again.
void worker::resume(connection& connection) {
    const bool refused = connection.exchange->refused_;
    const bool gone = connection.exchange->gone_ && !refused;
    if (connection.exchange->gone_) tell_gone(*connection.exchange);
    const bool drops_rest = refused || connection.exchange->drops_rest();
    std::erase(unsent_, &connection);
    release_held(connection);
    if (gone) return (void)close(connection);
    if (drops_rest) {
        connection.closing = connection.lingers = true;
    }
    // Whatever it waits for now, it does so anew: its time counts from here.
    connection.waits_for = connection::waiting::nothing;
    if (connection.closing) {
        if (connection.unread) connection.lingers = true;
        connection.unread = 0;
        if (!connection.output && close_when_sent(connection) == next::closed) return;
    }
    if (connection.output) {
        connection.watches_output = false;
        watch_output(connection, false);
    }
    serve(connection, true);
}

// From now on its events come to this worker.
void worker::watch(exchange& exchange) {
    if (exchange.watched_ || !own_) return;
    const int socket = exchange.connection_.socket.get();
    const auto token = reinterpret_cast<net::reactor::token>(&exchange.connection_);
    shared_.reactor->remove(socket);
    exchange.watched_ = true;
    own_->add(socket, token, net::reactor::interest::read_and_write);
}

void worker::unwatch(exchange& exchange) {
    if (!exchange.watched_) return;
    connection& connection = exchange.connection_;
    own_->remove(connection.socket.get());
    exchange.watched_ = false;
    connection.watches_output = connection.output != nullptr;
    shared_.reactor->add(
        connection.socket.get(), reinterpret_cast<net::reactor::token>(&connection),
        connection.output ? net::reactor::interest::read_and_write : net::reactor::interest::read);
}

// Nothing more can be sent or received. Whoever calls tells the application; where it could not, it
// is told before the exchange ends.
void worker::fail(exchange& exchange) {
    if (exchange.gone_) return;
    exchange.gone_ = true;
    resume_soon(exchange);
}

// The same, for what the client does wrong: it hears of that where the response has not begun.
void worker::refuse_held(exchange& exchange, int status) {
    if (!exchange.gone_ && !exchange.started_ && !exchange.raw_) {
        exchange.refused_ = true;
        exchange.body_bytes_ = write_error_to(exchange.out_, status);
        if (exchange.log_) {
            exchange.log_->status = status;
            exchange.log_->content_type = error_type;
        }
        (void)send_out(exchange, {});
    }
    fail(exchange);
}

void worker::read_more(exchange& exchange) {
    connection& connection = exchange.connection_;
    if (connection.message.awaits_continue() && !exchange.raw_) {
        connection.message.continued();
        exchange.out_.append("HTTP/1.1 100 Continue\r\n\r\n");
        if (send_out(exchange, {}) == exchange::output::gone) return;
    }
    if (connection.unread) {  // raw: what came behind the request's head
        exchange.input_.append({connection.input.data(), connection.unread});
        connection.unread = 0;
        connection.input = byte_buffer();
    }
    while (!exchange.ended_ && !exchange.gone_ &&
           exchange.unread().size() < exchange::most_unread) {
        char* at = input_.room(read_size);
        const ssize_t count = ::recv(connection.socket.get(), at, read_size, MSG_DONTWAIT);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0 && errno == EAGAIN) return;
        if (count <= 0) return fail(exchange);
        const auto size = static_cast<std::size_t>(count);
        counts_.bytes_received.add(size);
        exchange.received_ += size;
        if (exchange.raw_) {
            exchange.input_.append({at, size});
            continue;
        }
        http::connection* before = std::exchange(current_, &connection);
        parsing_ = true;
        const request_parser::result result =
            parser_.feed(connection.message, at, size, connection.client);
        parsing_ = false;
        current_ = before;
        if (result.what == request_parser::outcome::stopped) {
            const auto left = static_cast<std::size_t>(at + size - result.end);
            keep_input(connection, at + size - left, left);
            connection.unread = left;
        } else if (result.what == request_parser::outcome::failed) {
            return refuse_held(exchange, result.status);
        }
    }
}

// The application knows by this answer: its listener, which may go before the exchange does, is not
// told once more.
exchange::input exchange::told_gone() {
    listener_ = nullptr;
    return input::gone;
}

exchange::output exchange::told(output result) {
    if (result == output::gone) listener_ = nullptr;
    return result;
}

exchange::input exchange::pull() {
    wants_input_ = false;
    if (gone_) return told_gone();
    while (spool_ && unread().empty() && !gone_) home_.read_spool(*this);
    if (gone_) return told_gone();
    if (!unread().empty()) return input::some;
    if (ended_) return input::ended;
    if (!home_.parsing_) home_.read_more(*this);
    if (!unread().empty()) return input::some;
    if (ended_) return input::ended;
    if (gone_) return told_gone();
    wants_input_ = true;
    if (!raw_) home_.set_held_deadline(*this, home_.shared_.options.limits.body_timeout_ms);
    home_.watch(*this);
    return input::waiting;
}

exchange::input exchange::pull_end() {
    if (gone_) return told_gone();
    wants_end_ = true;
    char next = 0;
    if (!home_.own_ ||
        (!watched_ && ::recv(connection_.socket.get(), &next, 1, MSG_DONTWAIT | MSG_PEEK) == 0)) {
        home_.fail(*this);
        return told_gone();
    }
    home_.watch(*this);
    return input::waiting;
}

exchange::input exchange::wait_input() {
    for (;;) {
        const input found = pull();
        if (found != input::waiting) return found;
        // As with a body that the server waits for; what the application does meanwhile is not
        // the client's time.
        const limits& limits = home_.shared_.options.limits;
        const std::uint64_t began = worker::now_ns();
        const std::uint64_t waited_ms = waited_ns_ / worker::ns_a_ms;
        const std::uint64_t end = body_deadline(limits, 0, waited_ms, received_);
        if (end <= waited_ms || !home_.wait_ready(*this, POLLIN, end - waited_ms)) {
            home_.counts_.timeouts.add(1);
            const bool ends = home_.shared_.finished.load(std::memory_order_acquire);
            ends ? home_.fail(*this) : home_.refuse_held(*this, 408);
        }
        waited_ns_ += worker::now_ns() - began;
    }
}

bool exchange::drops_rest() const {
    const message_state& message = connection_.message;
    return !ended_ && (message.awaits_continue() || message.is_chunked() ||
                       message.body_left() > longest_discarded);
}

bool exchange::ignore_rest() {
    spool_.reset();
    if (gone_ || ended_) return true;
    if (!connection_.message.awaits_continue() && !home_.parsing_) home_.read_more(*this);
    return !drops_rest();
}

void exchange::take(std::size_t bytes) {
    taken_ += bytes;
    if (taken_ < input_.size()) return;
    taken_ = 0;
    input_.clear();
    if (ended_ && !spool_) input_ = byte_buffer();
}

// Waits for one client. False: it took too long, or the server has ended.
bool worker::wait_ready(exchange& exchange, short what, std::uint64_t timeout_ms) {
    leave();
    const std::uint64_t end = server::shared::now_ns() + timeout_ms * ns_a_ms;
    bool ready = false;
    while (!ready && !shared_.finished.load(std::memory_order_acquire)) {
        pollfd waiting{exchange.connection_.socket.get(), what, 0};
        ready = ::poll(&waiting, 1, look_for_end_ms) > 0;
        const std::uint64_t now = server::shared::now_ns();
        if (!ready && now >= end) break;
        // All workers may wait like this: then nobody else sees that the grace is over.
        if (shared_.draining.load(std::memory_order_relaxed) &&
            now / ns_a_ms >= shared_.drain_deadline_ms.load(std::memory_order_relaxed)) {
            shared_.finish();
        }
    }
    enter();
    return ready;
}

exchange::output exchange::start(const response& head, std::int64_t length) {
    if (gone_) return told(output::gone);
    connection& own = connection_;
    const int status = head.status();
    bodiless_ = is_head_ || has_no_body(status);
    // Whoever waits for 100 sends no body any more once it sees this.
    const bool is_refused = !ended_ && own.message.awaits_continue();
    if (head.closes() || is_refused || home_.shared_.draining.load(std::memory_order_relaxed)) {
        own.closing = true;
    }
    if (length < 0 && !bodiless_) {
        chunked_ = !http_1_0_;
        length = chunked_ ? head_writer::chunked : head_writer::no_length;
        own.closing |= http_1_0_;
    }
    if (has_no_length(status)) length = head_writer::no_length;
    auto said = head_writer::connection::unsaid;
    if (own.closing) {
        said = head_writer::connection::close;
    } else if (http_1_0_) {
        said = head_writer::connection::keep_alive;
    }
    home_.head_.write(out_, head, length, said);
    home_.counts_.response_sent(status);
    if (log_) {
        log_->status = status;
        log_->content_type = head.content_type();
        log_->fields = head.fields();
    }
    left_ = bodiless_ || length < 0 ? -1 : length;
    started_ = true;
    if (home_.own_) home_.unsent_.push_back(&own);
    home_.want_look();
    return output::done;
}

exchange::output exchange::inform(int status, std::string_view fields) {
    if (gone_) return told(output::gone);
    if (http_1_0_ || started_) return output::done;
    out_.append("HTTP/1.1 " + std::to_string(status) + " ");
    out_.append(reason_phrase(status));
    out_.append("\r\n");
    out_.append(fields);
    out_.append("\r\n");
    return told(home_.send_out(*this, {}));
}

exchange::output exchange::upgrade(std::string_view fields) {
    if (gone_) return told(output::gone);
    out_.append("HTTP/1.1 101 Switching Protocols\r\n");
    out_.append(fields);
    out_.append("\r\n");
    home_.counts_.response_sent(101);
    if (log_) log_->status = 101;
    started_ = raw_ = true;
    ended_ = false;
    connection_.closing = true;
    return told(home_.send_out(*this, {}));
}

void exchange::expect_within(std::uint64_t ms) {
    home_.set_held_deadline(*this, ms);
}

exchange::output exchange::write(std::string_view bytes) {
    if (gone_) return told(output::gone);
    if (bodiless_ || bytes.empty()) return output::done;
    if (left_ >= 0) {
        bytes = bytes.substr(0, static_cast<std::size_t>(left_));
        left_ -= static_cast<std::int64_t>(bytes.size());
        if (left_ == 0) stop_counting();  // the client sees with this part that it is answered
    }
    body_bytes_ += bytes.size();
    return told(home_.frame(*this, bytes));
}

exchange::output exchange::write_file(file_plan&& plan) {
    if (gone_) return told(output::gone);
    if (bodiless_) return output::done;
    std::uint64_t size = 0;
    for (const body_segment& each : plan.segments()) size += segment_length(each);
    body_bytes_ += size;
    if (left_ >= 0) left_ -= static_cast<std::int64_t>(size);
    if (left_ == 0) stop_counting();
    if (chunked_ && size) {
        char digits[18];
        char* end = std::to_chars(digits, digits + 16, size, 16).ptr;
        out_.append({digits, static_cast<std::size_t>(end - digits)});
        out_.append("\r\n");
    }
    connection& own = connection_;
    if (!own.output) own.output = std::make_unique<pending_output>();
    own.output->add_copy(out_.view());
    out_.clear();
    own.output->add_file(std::move(plan));
    if (own.output->unsent() >= worker::worth_not_copying) home_.suit_window(own);
    if (chunked_ && size) own.output->add_permanent("\r\n");
    return told(home_.send_pending(*this));
}

// The coding of a part of the body, around it.
exchange::output worker::frame(exchange& exchange, std::string_view body) {
    if (!exchange.chunked_) return send_out(exchange, body);
    char digits[18];
    char* end = std::to_chars(digits, digits + 16, body.size(), 16).ptr;
    exchange.out_.append({digits, static_cast<std::size_t>(end - digits)});
    exchange.out_.append("\r\n");
    if (body.size() >= worth_not_copying) {
        if (send_out(exchange, body) == exchange::output::gone) return exchange::output::gone;
        body = {};
    }
    exchange.out_.append(body);
    exchange.out_.append("\r\n");
    return send_out(exchange, {});
}

// What is made and not sent, and behind it `body`. Copied is what the socket has no room for.
exchange::output worker::send_out(exchange& exchange, std::string_view body) {
    connection& connection = exchange.connection_;
    const std::string_view whole = body;
    std::string_view head = exchange.out_.view();
    if (!connection.output && body.size() < worth_not_copying && !body.empty()) {
        exchange.out_.append(body);
        head = exchange.out_.view();
        body = {};
    }
    if (!connection.output) {
        const sent how = send_now(connection, head, body);
        if (how == sent::failed) {
            exchange.out_.clear();
            fail(exchange);
            return exchange::output::gone;
        }
        if (how == sent::blocked) connection.output = std::make_unique<pending_output>();
    }
    if (connection.output) {
        connection.output->add_copy(head);
        add_rest(*connection.output, whole, body);
        exchange.out_.clear();
        return send_pending(exchange);
    }
    exchange.out_.clear();
    return exchange::output::done;
}

// Sends of what waits what the socket takes.
exchange::output worker::send_pending(exchange& exchange) {
    connection& connection = exchange.connection_;
    std::uint64_t sent = 0;
    const pending_output::outcome outcome = connection.output->send(connection.socket.get(), sent);
    counts_.bytes_sent.add(sent);
    if (outcome == pending_output::outcome::failed) {
        fail(exchange);
        return exchange::output::gone;
    }
    if (outcome == pending_output::outcome::done) {
        connection.output.reset();
        return exchange::output::done;
    }
    if (sent || !exchange.wants_room_) {
        set_held_deadline(exchange, shared_.options.limits.send_timeout_ms);
    }
    if (outcome == pending_output::outcome::yielded && exchange.watched_) {
        own_->rearm(connection.socket.get(), reinterpret_cast<net::reactor::token>(&connection),
                    net::reactor::interest::read_and_write);
    }
    watch(exchange);
    if (connection.output->unsent() <= exchange::most_unsent) return exchange::output::done;
    exchange.wants_room_ = true;
    return exchange::output::blocked;
}

exchange::output exchange::wait_room() {
    for (;;) {
        if (gone_) return output::gone;
        if (!connection_.output) return output::done;
        const output found = home_.send_pending(*this);
        if (found != output::blocked) return found;
        if (!home_.wait_ready(*this, POLLOUT, home_.shared_.options.limits.send_timeout_ms)) {
            home_.fail(*this);
        }
    }
}

void exchange::finish(std::string_view trailer_fields) {
    if (finished_) return;
    if (!gone_ && (!started_ || left_ > 0)) return abort();
    finished_ = true;
    stop_counting();  // before the client can see that it is answered, and ask another worker
    if (!gone_) {
        if (chunked_) {
            out_.append("0\r\n");
            out_.append(trailer_fields);
            out_.append("\r\n");
        }
        if (!out_.empty()) (void)home_.send_out(*this, {});
        home_.counts_.replied(1, worker::now_ns() - begun_ns_);
    }
    listener_ = nullptr;
    home_.resume_soon(*this);
}

void exchange::abort() {
    if (finished_) return;
    finished_ = true;
    listener_ = nullptr;
    home_.fail(*this);
    home_.resume_soon(*this);
}

}  // namespace allcores::http
