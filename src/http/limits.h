// What one server allows: sizes in bytes, times in milliseconds. Read-only once the server listens;
// any thread.
#pragma once

#include <cstdint>

namespace allcores::http {

struct limits {
    // The request's head without the method: from the target to the empty line. Over it: 431.
    // Trailer fields and chunk extensions of one request may together have as much again.
    std::uint32_t max_header_bytes = 32 * 1024;
    std::uint32_t max_headers = 100;      // fields; over it: 431
    std::uint32_t max_target = 8 * 1024;  // over it: 414
    std::uint64_t max_body_bytes =
        16ull << 20;  // over it: 413, before the body is read where its length is declared

    // The same for an application that takes a body in parts, as it comes.
    std::uint64_t max_streamed_bytes = ~std::uint64_t{0} >> 1;
    // Of one that blocks while it reads: what bodies that come slowly may together take on disk
    // until they are whole (body_spool.h). 0: it gets them as they come.
    std::uint64_t max_spooled_bytes = 1ull << 30;

    std::uint32_t header_timeout_ms =
        10'000;  // from the first byte of a request to the end of its head: 408
    std::uint32_t body_timeout_ms = 30'000;  // without a byte of the body: 408
    // Bytes a second. A body in all may take body_timeout_ms and the time that its bytes take at
    // this rate, so that one that drips does not hold its connection for ever: 408. 0: no such
    // limit.
    std::uint32_t min_body_rate = 500;
    std::uint32_t keep_alive_timeout_ms = 75'000;  // without a request: closed
    std::uint32_t send_timeout_ms =
        30'000;  // without the client taking a byte of the reply: closed
    std::uint32_t linger_timeout_ms =
        2'000;  // reading on after an error reply, so that the client sees it

    std::uint32_t max_connections = 16'384;  // over it: 503 and closed
};

// When a body that began at `since_ms`, and of which `bytes` have come until `now_ms`, times out if
// nothing more comes.
constexpr std::uint64_t body_deadline(const limits& limits, std::uint64_t since_ms,
                                      std::uint64_t now_ms, std::uint64_t bytes) {
    std::uint64_t idle = now_ms + limits.body_timeout_ms;
    if (limits.min_body_rate == 0) return idle;
    std::uint64_t slow = since_ms + limits.body_timeout_ms + bytes * 1000 / limits.min_body_rate;
    return slow < idle ? slow : idle;
}

}  // namespace allcores::http
