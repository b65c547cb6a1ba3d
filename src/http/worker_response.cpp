// What a worker sends: replies are collected over a batch and sent with one call; only large bodies
// and files are sent on their own, from where they lie.
#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "http/status.h"
#include "http/worker.h"

namespace allcores::http {
namespace {

constexpr std::size_t most_collected = 64 * 1024;  // then a batch is sent before its end

}  // namespace

void worker::enter() {
    if (!entered_) application_.enter();
    entered_ = true;
}

void worker::leave() {
    if (entered_) application_.leave();
    entered_ = false;
}

bool worker::give_to_application(const request& request) {
    connection& connection = *current_;
    enter();
    response_.reset();
    handled_ = &request;
    is_answered_ = false;
    if (!request.whole) make_exchange(request);
    application_.handle(request, response_);
    handled_ = nullptr;
    if (!is_answered_) {
        count_answered(request);
        if (connection.exchange) return end_of_handle(request);
        ++batch_;
        write_response(request);
    }
    return !connection.closing && !connection.output && !broken_;
}

void worker::count_answered(const request& request) {
    connection& connection = *current_;
    counts_.requests.add(1);
    connection.is_new = false;
    progress_ = true;
    if (!request.keep_alive) connection.closing = true;
    if (connection.exchange) return;
    if (response_.closes() || shared_.draining.load(std::memory_order_relaxed)) {
        connection.closing = true;
    }
}

void worker::answer() {
    is_answered_ = true;
    count_answered(*handled_);
    // Before the client can see that it is answered, and ask another worker.
    if (std::exchange(counts_in_, false)) {
        shared_.in_progress.fetch_sub(1, std::memory_order_relaxed);
    }
    ++batch_;
    write_response(*handled_);
    send_collected(*current_);
    enter();
}

void worker::write_response(const request& request) {
    connection& connection = *current_;
    const int status = response_.status();
    const bool is_file = response_.kind() == body_kind::file;
    std::string_view body = has_empty_body(status) ? std::string_view() : response_.body();
    auto length =
        static_cast<std::int64_t>(is_file ? response_.plan().content_length() : body.size());
    if (response_.length() >= 0 && (request.method_number == HTTP_HEAD || status == 304)) {
        length = response_.length();
    } else if (has_no_length(status) || status == 304) {
        length = -1;
    }
    auto said = head_writer::connection::unsaid;
    if (connection.closing) {
        said = head_writer::connection::close;
    } else if (request.minor == 0) {
        said = head_writer::connection::keep_alive;
    }
    counts_.response_sent(status);
    head_.write(collected_, response_, length, said);
    const bool is_bodiless = request.method_number == HTTP_HEAD || has_no_body(status);
    body_length_ = is_bodiless || length < 0 ? 0 : static_cast<std::uint64_t>(length);

    if (is_bodiless) {
        release_response();
    } else if (is_file) {
        release_response();
        leave();
        send_file(connection, std::move(response_.plan()));
    } else if (body.size() < worth_not_copying) {
        collected_.append(body);
        release_response();
    } else if (response_.kind() == body_kind::permanent) {
        release_response();
        leave();
        send_with_body(connection, body, true);
    } else {
        leave();
        send_with_body(connection, body, false);
        if (!is_own_answer_) enter();
        release_response();
    }
    if (collected_.size() >= most_collected) {
        leave();
        send_collected(connection);
    }
}

// `began_ns`: when the request began to come, for the log.
void worker::write_error(connection& connection, int status, std::uint64_t began_ns) {
    const std::size_t size = write_error_to(collected_, status);
    log_early(connection, status, size, began_ns);
    connection.spool.reset();
    connection.closing = connection.lingers = true;
}

// The size of its body.
std::size_t worker::write_error_to(byte_buffer& out, int status) {
    const std::string text =
        std::to_string(status) + " " + std::string(reason_phrase(status)) + "\n";
    counts_.response_sent(status);
    response answer;
    answer.status(status);
    answer.content_type(error_type);
    head_.write(out, answer, static_cast<std::int64_t>(text.size()),
                head_writer::connection::close);
    out.append(text);
    return text.size();
}

void worker::send_collected(connection& connection) {
    if (!collected_.empty()) send_with_body(connection, {}, true);
}

// Before much is sent: a client with a small window gets no more into the kernel than it needs.
void worker::suit_window(connection& connection) {
    const std::uint32_t limit = net::output_limit(net::window_of(connection.socket.get()));
    if (limit == connection.output_limit) return;
    connection.output_limit = limit;
    net::limit_output(connection.socket.get(), limit);
}

// As much of both as the socket takes, which is left away from them.
worker::sent worker::send_now(connection& connection, std::string_view& head,
                              std::string_view& body) {
    if (head.size() + body.size() >= worth_not_copying) suit_window(connection);
    while (head.size() + body.size() > 0) {
        iovec vectors[2] = {{const_cast<char*>(head.data()), head.size()},
                            {const_cast<char*>(body.data()), body.size()}};
        msghdr message{};
        message.msg_iov = vectors;
        message.msg_iovlen = 2;
        const ssize_t count = body.empty() ? ::send(connection.socket.get(), head.data(),
                                                    head.size(), MSG_NOSIGNAL | MSG_DONTWAIT)
                                           : ::sendmsg(connection.socket.get(), &message,
                                                       MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count < 0) {
            if (errno == EINTR) continue;
            return errno == EAGAIN ? sent::blocked : sent::failed;
        }
        const auto size = static_cast<std::size_t>(count);
        counts_.bytes_sent.add(size);
        const std::size_t of_head = std::min(size, head.size());
        head.remove_prefix(of_head);
        body.remove_prefix(size - of_head);
    }
    return sent::all;
}

// For a client that does not take the rest of this body now. Clients that read slowly on purpose
// ask for the same large answer again and again, and a fresh copy for each would cost many times
// what looking whether it is the same does, most of it in the kernel, and all its memory.
void worker::add_rest(pending_output& output, std::string_view whole, std::string_view rest) {
    if (rest.size() < worth_sharing) return output.add_copy(rest);
    std::shared_ptr<const char[]> copy = last_copy_.lock();
    if (!copy || last_copy_size_ != whole.size() ||
        std::memcmp(copy.get(), whole.data(), whole.size()) != 0) {
        // (In one allocation with what counts its users, it would stay as long as last_copy_.)
        std::shared_ptr<char[]> fresh(new char[whole.size()]);
        std::memcpy(fresh.get(), whole.data(), whole.size());
        copy = std::move(fresh);
        last_copy_ = copy;
        last_copy_size_ = whole.size();
    }
    output.add_shared(std::move(copy), whole.size() - rest.size(), rest.size());
}

// What is collected, and behind it a body that is not. Copied is only what the socket has no room
// for.
void worker::send_with_body(connection& connection, std::string_view body, bool permanent) {
    std::string_view head = collected_.view();
    const std::string_view whole = body;
    if (!broken_ && !connection.output) {
        const sent how = send_now(connection, head, body);
        broken_ = how == sent::failed;
        if (how == sent::blocked) {
            connection.output = std::make_unique<pending_output>();
            connection.output->add_copy(head);
            if (permanent) {
                connection.output->add_permanent(body);
            } else {
                add_rest(*connection.output, whole, body);
            }
            watch_output(connection, false);
        }
    }
    collected_.clear();
}

void worker::send_file(connection& connection, file_plan&& plan) {
    if (broken_) return;
    connection.output = std::make_unique<pending_output>();
    connection.output->add_copy(collected_.view());
    collected_.clear();
    connection.output->add_file(std::move(plan));
    if (connection.output->unsent() >= worth_not_copying) suit_window(connection);
    continue_output(connection);
}

// Afterwards: `output` is gone when all is sent; or broken_.
void worker::continue_output(connection& connection) {
    std::uint64_t sent = 0;
    pending_output::outcome outcome = connection.output->send(connection.socket.get(), sent);
    counts_.bytes_sent.add(sent);
    if (sent) progress_ = true;
    switch (outcome) {
        case pending_output::outcome::done:
            connection.output.reset();
            break;
        case pending_output::outcome::blocked:
            watch_output(connection, false);
            break;
        case pending_output::outcome::yielded:
            watch_output(connection, true);
            break;
        case pending_output::outcome::failed:
            broken_ = true;
            break;
    }
}

// From the first time on, room for output is an event; `again`: also when it is there already. (A
// socket that never was full makes no such events, so the watch is not taken back.)
void worker::watch_output(connection& connection, bool again) {
    if (connection.exchange) return;  // whoever sends for it waits in another way
    if (connection.watches_output && !again) return;
    connection.watches_output = true;
    shared_.reactor->rearm(connection.socket.get(),
                           reinterpret_cast<net::reactor::token>(&connection),
                           net::reactor::interest::read_and_write);
}

void worker::note_replies() {
    if (batch_ == 0) return;
    last_ns_ = server::shared::now_ns();
    counts_.replied(batch_, last_ns_ - woken_ns_);
}

}  // namespace allcores::http
