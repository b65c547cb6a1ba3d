// The ways to load a server, and what they find out. One thread, one epoll set.
#pragma once
#include <time.h>

#include <cstdint>
#include <string>

#include "connection.h"
#include "histogram.h"

namespace allcores::load {

struct options {
    address server{"127.0.0.1", 0};
    int connections = 64;
    double seconds = 3;
    std::string path = "/";
    std::string body;  // the expected one
    // closed
    int depth = 1;  // requests sent at once on a connection
    // upload, websocket
    size_t size = 0;  // bytes of a request's body, of a message
    // open
    double rate = 800;         // requests a second
    double slow_share = 0.05;  // of them to slow_path
    std::string slow_path = "/slow";
    std::string slow_body;
    double warm_up = 0.5;  // seconds at the start that are not in the latencies
    uint64_t seed = 1;
    bool real_time = false;  // SCHED_FIFO
};

struct outcome {
    uint64_t answered = 0;  // all responses, also those before and after the measured time
    uint64_t reopened = 0;  // connections that had to be made anew
    uint64_t in_time = 0;   // responses within the measured time
    double seconds = 0;     // that time
    histogram cheap;        // latencies of requests to path
    histogram slow;         // and to slow_path
    histogram late;  // how late the generator itself noticed that a request was due (open loop)
    uint64_t most_queued = 0;  // requests that waited for a free connection, at most (open loop)
    error_counts errors;
};

inline uint64_t now_ns() {
    timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return uint64_t(time.tv_sec) * 1'000'000'000 + uint64_t(time.tv_nsec);
}

inline std::string request_for(const options& chosen, const std::string& path) {
    return "GET " + path + " HTTP/1.1\r\nHost: " + chosen.server.host + ":" +
           std::to_string(chosen.server.port) + "\r\n\r\n";
}

// A fixed number of requests is always under way: each connection sends `depth` of them at once
// and, when all are answered, the next ones. Shows throughput and cost; latencies are those of a
// server that is busy all the time. `ready` is called when all connections stand.
void run_closed(const options& chosen, outcome& found, void (*ready)());

// The same with POST requests that have a body of `size` bytes; a latency counts from its first
// byte.
void run_upload(const options& chosen, outcome& found, void (*ready)());

// The same with WebSockets: messages of `size` bytes, each of which has to come back as it was.
void run_websocket(const options& chosen, outcome& found, void (*ready)());

// Requests become due at random times (Poisson) whatever the server does, and a latency counts from
// then: a request that has to wait because the server is late counts with its wait, as for real
// users.
void run_open(const options& chosen, outcome& found, void (*ready)());

}  // namespace allcores::load
