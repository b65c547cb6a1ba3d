// What a worker does with a request before the application has it, and without it (http/front.h).
#include "http/front.h"
#include "http/metrics.h"
#include "http/worker.h"

namespace allcores::http {

bool worker::on_request(const request& request) {
    const bool go_on = shared_.has_front ? take_in_front(request) : give_to_application(request);
    if (current_->spool) current_->spool.reset();  // nobody wanted it
    return go_on;
}

// Whom the parser names: a peer that may say otherwise is replaced by whom it names.
const peer& worker::client_of(const connection& connection) const {
    return connection.is_trusted ? forwarded_ : connection.client;
}

bool worker::take_in_front(const request& came) {
    const front& front = shared_.options.front;
    connection& connection = *current_;
    request request = came;
    if (connection.is_trusted) {
        forwarded_ = connection.client;  // what `request.client` is
        request.scheme = front.proxies.read(came, forwarded_);
    }
    logs_ = front.log.has_value();
    if (logs_) front.log->take(request, log_values_);
    const std::uint64_t began = last_ns_;
    bool go_on = false;
    counts_in_ = false;
    if (answers_itself(request)) {
        go_on = give_own_answer(request);
    } else {
        go_on = give_to_application(request);
        if (counts_in_ && connection.exchange) {
            connection.exchange->counted_ = true;
        } else if (counts_in_) {
            shared_.in_progress.fetch_sub(1, std::memory_order_relaxed);
        }
    }
    if (logs_) {  // it was not handed on with an exchange
        front.log->write(log_lines_, log_values_,
                         {.status = response_.status(),
                          .bytes = body_length_,
                          .ns = now_ns() - began,
                          .unix_seconds = head_.seconds(),
                          .content_type = response_.content_type(),
                          .fields = response_.fields()});
    }
    return go_on;
}

// Puts the answer into response_. Otherwise the request is the application's, and counts_in_ says
// whether it was counted.
bool worker::answers_itself(const request& request) {
    const front& front = shared_.options.front;
    response_.reset();
    const bool reads = request.method == "GET" || request.method == "HEAD";
    if (reads && !front.health.empty() && request.path == front.health) {
        const bool drains = shared_.draining.load(std::memory_order_relaxed);
        response_.status(drains ? 503 : 200);
        response_.content_type("text/plain; charset=utf-8");
        response_.permanent_body(drains ? "stopping\n" : "ok\n");
        return true;
    }
    if (reads && !front.metrics.empty() && request.path == front.metrics) {
        std::vector<statistics> all;
        unsigned serving = 0;
        for (unsigned i = 0; i < shared_.workers.size(); ++i) {
            all.push_back(shared_.snapshot(i));
            serving += shared_.workers[i]->runs.load(std::memory_order_relaxed) ? 1 : 0;
        }
        own_text_ = metrics_text(all, serving, shared_.pool.open());
        response_.content_type(metrics_type);
        response_.body(own_text_);
        return true;
    }
    if (front.files.answer(request, response_, own_text_)) return true;
    if (front.most_requests == 0) return false;
    if (shared_.in_progress.fetch_add(1, std::memory_order_relaxed) < front.most_requests) {
        counts_in_ = true;
        return false;
    }
    shared_.in_progress.fetch_sub(1, std::memory_order_relaxed);
    response_.status(503);
    response_.header("Retry-After", "1");
    response_.content_type("text/plain; charset=utf-8");
    response_.permanent_body("Service Unavailable\n");
    return true;
}

bool worker::give_own_answer(const request& request) {
    connection& connection = *current_;
    counts_.requests.add(1);
    ++batch_;
    connection.is_new = false;
    progress_ = true;
    if (!request.keep_alive || shared_.draining.load(std::memory_order_relaxed)) {
        connection.closing = true;
    }
    if (!request.ended) {  // nobody wants the rest of it
        connection.message.continued();
        connection.closing = connection.lingers = true;
    }
    const bool was_entered = entered_;
    is_own_answer_ = true;
    write_response(request);
    is_own_answer_ = false;
    if (was_entered) enter();  // whoever serves from inside the application's loop is so
    return !connection.closing && !connection.output && !broken_;
}

void worker::release_response() {
    if (!is_own_answer_) application_.release();
}

// Lines of the access log go out when the answers have; nobody waits for the reader of the log but
// this worker.
void worker::flush_log() {
    if (log_lines_.empty()) return;
    const bool was_entered = entered_;
    leave();
    if (shared_.options.access_log) shared_.options.access_log(log_lines_.view());
    log_lines_.clear();
    if (was_entered) enter();
}

// The log's values are the exchange's from now on: the line is written when it ends.
void worker::hand_on_log(exchange& exchange) {
    if (!logs_) return;
    logs_ = false;
    exchange.log_ = std::make_unique<exchange::logged>();
    exchange.log_->values = std::move(log_values_);
    log_values_.clear();
}

void worker::log_end(const exchange& exchange) {
    const exchange::logged& log = *exchange.log_;
    shared_.options.front.log->write(log_lines_, log.values,
                                     {.status = log.status,
                                      .bytes = exchange.body_bytes_,
                                      .ns = now_ns() - exchange.begun_ns_,
                                      .unix_seconds = head_.seconds(),
                                      .content_type = log.content_type,
                                      .fields = log.fields});
}

// An answer that the server gives before the request is anybody's: malformed, over a limit, too
// slow.
void worker::log_early(const connection& connection, int status, std::uint64_t bytes,
                       std::uint64_t began_ns) {
    const front& front = shared_.options.front;
    if (!front.log) return;
    const request come = connection.message.so_far(client_of(connection));
    forwarded_ = connection.client;
    // Whom a proxy names, once it has said all that it wanted to.
    if (connection.is_trusted && connection.message.at() == message_state::stage::body) {
        (void)front.proxies.read(come, forwarded_);
    }
    std::vector<std::string> values;
    front.log->take(come, values);
    front.log->write(log_lines_, values,
                     {.status = status,
                      .bytes = bytes,
                      .ns = now_ns() - began_ns,
                      .unix_seconds = head_.seconds(),
                      .content_type = error_type,
                      .fields = {}});
}

void exchange::stop_counting() {
    if (in_handle_ && std::exchange(home_.counts_in_, false)) counted_ = true;
    if (!std::exchange(counted_, false)) return;
    home_.shared_.in_progress.fetch_sub(1, std::memory_order_relaxed);
}

exchange::~exchange() {
    stop_counting();
    give_seat_back();
    if (log_) home_.log_end(*this);
}

}  // namespace allcores::http
