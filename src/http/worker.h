// What one thread does inside server::run(): wait for an event, serve that connection until nothing
// is left to do, wait again. Private to the server. Everything here is the thread's own; what is
// shared is in server_state.h and, as long as this worker owns it, the connection.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "http/application.h"
#include "http/byte_buffer.h"
#include "http/connection.h"
#include "http/parser.h"
#include "http/response_head.h"
#include "http/server_state.h"

namespace allcores::http {

class worker final : request_parser::sink {
 public:
    worker(server::shared& shared, unsigned number, application& application,
           worker_statistics& counts);

    void run();

 private:
    // What to do with a connection after a step.
    enum class [[nodiscard]] next {
        let_go,  // nothing to do until the next event
        closed,  // it is gone
    };

    // worker.cpp: events
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
    void finish_event();

    // worker_connection.cpp: one connection that this worker owns
    void serve(connection& connection, bool to_the_end);
    next step(connection& connection, bool to_the_end);
    next read(connection& connection, bool to_the_end);
    next parse(connection& connection, char* data, std::size_t size);
    char* room_for_input(connection& connection, std::size_t& room);
    void note_body(connection& connection, std::size_t size);
    void keep_input(connection& connection, char* begin, std::size_t size);
    next refuse(connection& connection, int status);
    next close_when_sent(connection& connection);
    next linger(connection& connection);
    next close(connection& connection);
    void set_deadline(connection& connection);
    bool is_overdue(const connection& each) const;

    // worker_response.cpp: what is sent
    bool on_request(const request& request) override;
    void write_response(const request& request);
    void write_error(connection& connection, int status);
    void send_collected(connection& connection);
    void send_with_body(connection& connection, std::string_view body, bool permanent);
    void send_file(connection& connection, file_plan&& plan);
    void continue_output(connection& connection);
    void watch_output(connection& connection, bool again);
    void enter();
    void leave();
    void note_replies();

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
    std::vector<connection*> to_serve_;  // owned; found while looking at deadlines
    std::uint64_t exhausted_ms_ = 0;     // when the lack of descriptors was logged last
    std::uint64_t woken_ns_ = 0;         // when the last event came
    std::uint64_t last_ns_ = 0;          // the last look at the clock
};

}  // namespace allcores::http
