// What one thread does inside server::run(): wait for an event, serve that connection until nothing
// is left to do, wait again. Private to the server. Everything here is the thread's own; what is
// shared is in server_state.h and, as long as this worker owns it, the connection.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "http/application.h"
#include "http/byte_buffer.h"
#include "http/connection.h"
#include "http/exchange.h"
#include "http/parser.h"
#include "http/port.h"
#include "http/response_head.h"
#include "http/server_state.h"
#include "net/timer.h"

namespace allcores::http {

class worker final : request_parser::sink, port {
 public:
    worker(server::shared& shared, unsigned number, application& application,
           worker_statistics& counts);

    void run();

 private:
    friend class exchange;

    // What to do with a connection after a step.
    enum class [[nodiscard]] next {
        let_go,  // nothing to do until the next event
        closed,  // it is gone
    };

    // worker.cpp: events
    void serve_until_end();
    bool retires() const {
        return shared_.workers[number_]->retire_by_ms.load(std::memory_order_acquire) != 0;
    }
    net::reactor::outcome wait(net::reactor::event& event);
    void dispatch(const net::reactor::event& event);
    void accept_from(std::size_t listener);
    void add_connection(net::descriptor socket, const net::address& from);
    void tick();
    void time_out_those_due();
    next time_out(connection& connection);
    void sweep();
    void cut_what_nobody_has();
    void note_time();
    void note_wakeup();
    void finish_event();

    // worker_connection.cpp: one connection that this worker owns
    void serve(connection& connection, bool to_the_end);
    next step(connection& connection, bool to_the_end);
    next read(connection& connection, bool to_the_end);
    next parse(connection& connection, char* data, std::size_t size);
    char* room_for_input(connection& connection, std::size_t& room);
    static bool is_stuck(const connection& connection);
    void keep_input(connection& connection, char* begin, std::size_t size);
    next refuse(connection& connection, int status, std::uint64_t began_ns);
    next close_when_sent(connection& connection);
    next linger(connection& connection);
    next close(connection& connection);
    void set_deadline(connection& connection);
    bool is_overdue(const connection& each) const;

    // worker_body.cpp: when the application gets a body, and where it is until then
    bool goes_in_parts(connection& connection);
    bool is_whole_first(connection& connection);
    void note_body(connection& connection, std::size_t size);
    static bool comes_fast(const connection& connection, std::uint64_t until_ms);
    bool spool_body(connection& connection);
    bool take_seat(connection& connection);
    void give_seat_back();
    next look_again(connection& connection);
    void look_around();
    void read_spool(exchange& exchange);

    // worker_turn.cpp: serving from inside the application's own loop. worker_look.cpp: look(),
    // for loops that wait by themselves
    turned turn(std::int64_t timeout_ns, int loop_descriptor) override;
    turned look() override;
    std::array<int, 3> descriptors() override;
    void rest() override;
    bool drains() const override { return shared_.draining.load(std::memory_order_relaxed); }
    bool serve_one();
    bool serve_shared(net::reactor::outcome outcome, const net::reactor::event& event);
    bool wait_for_any(std::uint64_t end, int loop_descriptor, turned& result);
    void take_duty();
    bool prepare();
    std::uint64_t until_due_ns(std::uint64_t limit_ns) const;
    bool idled();
    void want_look();
    void handle_own_event(const net::reactor::event& event);
    void tell_gone(exchange& exchange);
    void set_held_deadline(exchange& exchange, std::uint64_t after_ms);
    void look_at_held();
    void send_unsent();
    void end_held();

    // worker_exchange.cpp: requests that the application keeps
    exchange& hold() override;
    void make_exchange(const request& request);
    void keep_held(connection& connection);
    void release_held(connection& connection);
    void resume_soon(exchange& exchange);
    bool resume_finished();
    void resume(connection& connection);
    void watch(exchange& exchange);
    void unwatch(exchange& exchange);
    void fail(exchange& exchange);
    void refuse_held(exchange& exchange, int status);
    void read_more(exchange& exchange);
    exchange::output send_out(exchange& exchange, std::string_view body);
    exchange::output frame(exchange& exchange, std::string_view body);
    exchange::output send_pending(exchange& exchange);
    static std::uint64_t now_ns() { return server::shared::now_ns(); }
    bool wait_ready(exchange& exchange, short what, std::uint64_t timeout_ms);

    // worker_front.cpp: before the application, and without it
    bool on_request(const request& request) override;
    const peer& client_of(const connection& connection) const;
    bool take_in_front(const request& came);
    bool answers_itself(const request& request);
    bool give_own_answer(const request& request);
    void release_response();
    void flush_log();
    void hand_on_log(exchange& exchange);
    void log_end(const exchange& exchange);
    void log_early(const connection& connection, int status, std::uint64_t bytes,
                   std::uint64_t began_ns);

    // worker_response.cpp: what is sent
    bool give_to_application(const request& request);
    void answer() override;
    void count_answered(const request& request);
    void on_body(std::string_view part) override;
    bool on_body_end() override;
    bool end_of_handle(const request& request);
    void write_response(const request& request);
    void write_error(connection& connection, int status, std::uint64_t began_ns);
    std::size_t write_error_to(byte_buffer& out, int status);
    void send_collected(connection& connection);
    enum class [[nodiscard]] sent { all, blocked, failed };
    void suit_window(connection& connection);
    sent send_now(connection& connection, std::string_view& head, std::string_view& body);
    void add_rest(pending_output& output, std::string_view whole, std::string_view rest);
    void send_with_body(connection& connection, std::string_view body, bool permanent);
    void send_file(connection& connection, file_plan&& plan);
    void continue_output(connection& connection);
    void watch_output(connection& connection, bool again);
    void enter();
    void leave();
    void note_replies();

    static constexpr std::uint64_t ns_a_ms = 1'000'000;
    // Bodies from here on are sent from where they lie.
    static constexpr std::size_t worth_not_copying = 16 * 1024;
    static constexpr std::string_view error_type = "text/plain; charset=utf-8";
    // A rest of that size is looked at for being the same as one that others wait for.
    static constexpr std::size_t worth_sharing = 64 * 1024;
    static constexpr std::size_t read_size = 64 * 1024;  // of the worker's own buffer

    server::shared& shared_;
    const unsigned number_;
    application& application_;
    worker_statistics& counts_;
    request_parser parser_;
    head_writer head_;
    response response_;
    byte_buffer collected_;  // replies of this batch, not yet sent
    byte_buffer input_;      // what is read first goes here
    connection* current_ = nullptr;
    bool entered_ = false;
    bool broken_ = false;      // sending to current_ failed: nothing more can be sent
    std::uint64_t batch_ = 0;  // requests of this batch
    bool progress_ = false;    // this step brought what the connection waited for, or a part
    bool parsing_ = false;     // bytes are being looked at: neither parser_ nor input_ is free
    std::uint64_t body_length_ = 0;          // of the last response
    std::weak_ptr<const char[]> last_copy_;  // of a body that slow clients have not taken yet
    std::size_t last_copy_size_ = 0;
    std::vector<connection*> to_serve_;  // owned; found while looking at deadlines

    // Of the request that is before the application, or goes without it.
    peer forwarded_;              // its client, as a trusted proxy names it
    bool is_own_answer_ = false;  // response_ is the server's own
    bool has_seat_ = false;       // may wait for the rest of its body
    bool counts_in_ = false;      // it is one of shared_.in_progress
    bool logs_ = false;           // log_values_ are its
    std::string own_text_;        // the body of an own answer
    std::vector<std::string> log_values_;
    byte_buffer log_lines_;  // not yet written

    // Requests that the application keeps: their connections are owned by this worker.
    const request* handled_ = nullptr;    // handle() runs
    bool is_answered_ = false;            // it was, by answer()
    std::vector<connection*> held_;       // all of them
    std::vector<connection*> to_resume_;  // those that are finished or broken
    std::vector<connection*> unsent_;     // those with a head that waits for a body
    std::unique_ptr<net::reactor> own_;   // what is watched for them; made when it is needed
    bool on_duty_ = false;                // may wait on the shared set, inside turn()
    bool told_drain_ = false;
    std::uint64_t next_held_deadline_ms_ = ~std::uint64_t{0};  // none is earlier
    std::uint64_t try_again_ns_ = 0;                           // for a place on duty, at the latest
    std::unique_ptr<net::timer> alarm_;  // of a loop that waits by itself: for what is due next
    std::uint64_t alarm_at_ns_ = 0;      // when it goes off; 0: not set
    bool looking_ = false;               // inside look()
    bool rung_ = false;                  // look() was asked for
    std::uint64_t exhausted_ms_ = 0;     // when the lack of descriptors was logged last
    std::uint64_t woken_ns_ = 0;         // when the last event came
    std::uint64_t last_ns_ = 0;          // the last look at the clock
};

}  // namespace allcores::http
