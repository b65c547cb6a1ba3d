// An HTTP/1.1 server: listening sockets, one edge-triggered event set that all workers wait on, and
// a pool of connections of which any worker that is free serves the next request.
//
//   server s({.port = 8000, .workers = 4});
//   s.listen();
//   // on each of 4 threads:  s.run(application_of_that_thread, worker_number);
//   s.stop(std::chrono::seconds(5));      // from any thread; then join
//
// The workers are the caller's threads: the server starts none.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http/application.h"
#include "http/front.h"
#include "http/limits.h"
#include "http/statistics.h"
#include "net/address.h"

namespace allcores::http {

enum class log_level { debug, info, warning, error };

struct server_options {
    std::string host = "127.0.0.1";       // empty: all interfaces
    std::vector<std::string> hosts = {};  // instead of host, when there are any
    std::uint16_t port = 8000;            // 0: any that is free
    // Unix sockets and descriptors of sockets (net::listener): listened on as well, and instead of
    // `host` when `hosts` is empty.
    std::vector<std::string> paths = {};
    std::uint32_t path_permissions = 0666;
    std::vector<int> descriptors = {};
    int backlog = 4096;
    http::limits limits;
    std::string server_name = "allcores";  // the Server field; empty: none
    bool says_date = true;                 // the Date field
    // On every response: "Name: value\r\n" for each.
    std::string fields = {};
    unsigned workers = 1;  // run() is called with 0 to workers - 1
    http::front front = {};
    // Whole lines of the access log; from any worker's thread, several at once; must not throw.
    std::function<void(std::string_view)> access_log = {};
    // What whoever runs the workers goes by; the server itself does not. 0: no limit. A worker that
    // is with one request for longer is stuck; one that has served so many requests (and up to
    // `jitter` more, by chance) is replaced.
    std::uint32_t worker_timeout_ms = 0;
    std::uint32_t max_requests = 0;
    std::uint32_t max_requests_jitter = 0;
    // How many of them wait for events at a time, as long as none is held up by a request
    // (concurrency/duty.h). 0: one for each core that the process may use.
    unsigned on_duty = 0;
    // Called from any worker's thread, several at once; must not throw. Empty: nothing is logged.
    std::function<void(log_level, std::string_view)> log;
};

class server {
 public:
    explicit server(server_options options);
    server(const server&) = delete;
    // After every run() has returned.
    ~server();

    // Binds every address of the hosts, paths and descriptors. Throws std::system_error
    // (EADDRINUSE, EACCES, an unknown host …) with a text that names the address. Once, before
    // run().
    void listen();

    // After listen(); with the port that was given for port 0.
    std::vector<net::address> addresses() const;

    // The worker takes nothing new, finishes what it has, in `grace` at most, and returns from
    // run(); soon, if it has nothing. Any thread.
    void retire(unsigned number, std::chrono::milliseconds grace);

    // How long that worker has been with what it does now; 0: it waits. Requests that it, and those
    // before it in the place, have served. Any thread.
    std::chrono::milliseconds busy_for(unsigned number) const;
    std::uint64_t requests(unsigned number) const;

    // This thread serves as `worker` (below options.workers, each once at a time) until stop().
    // Others may come later: the server needs no more than one.
    // Throws std::logic_error when it is not listening.
    void run(application& application, unsigned worker);

    // No new connections; idle ones are closed, requests that have begun are finished, each with
    // `Connection: close`. When nothing is left, or after `grace`, the rest is cut and run()
    // returns in every thread but those inside handle(), where it returns after that. Returns at
    // once; any thread; a second call can only shorten the grace.
    void stop(std::chrono::milliseconds grace);

    // Any thread, at any time.
    statistics snapshot(unsigned worker) const;
    std::uint64_t open_connections() const;
    const server_options& options() const;

 private:
    friend class worker;
    struct shared;
    std::unique_ptr<shared> shared_;
};

}  // namespace allcores::http
