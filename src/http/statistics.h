// What one worker counts, and the copy of it that anybody may have. A worker's counters are written
// by its thread alone (concurrency/single_writer.h) and read by any thread.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "concurrency/single_writer.h"

namespace allcores::http {

// Log-linear buckets for nanoseconds: below 8 each value has its own, above that 8 buckets for each
// power of two, so a value is off by at most an eighth.
struct latency_buckets {
    static constexpr std::size_t per_octave = 8;
    static constexpr std::size_t count =
        38 * per_octave;  // up to 2^40 ns, 18 minutes; longer counts there

    static constexpr std::size_t index(std::uint64_t ns) {
        if (ns < per_octave) return static_cast<std::size_t>(ns);
        unsigned octave = static_cast<unsigned>(std::bit_width(ns)) - 4;  // 0 for 8..15
        std::size_t i = (octave + 1) * per_octave + ((ns >> octave) & (per_octave - 1));
        return i < count ? i : count - 1;
    }
    // The smallest value of a bucket.
    static constexpr std::uint64_t lower(std::size_t index) {
        if (index < per_octave) return index;
        unsigned octave = static_cast<unsigned>(index / per_octave) - 1;
        return (per_octave + index % per_octave) << octave;
    }
};

// A copy of one worker's counters, or the sum of several.
struct statistics {
    std::uint64_t requests = 0;
    std::array<std::uint64_t, 6> responses{};  // by the status's first digit; [0]: none of 1 to 5
    std::uint64_t bytes_received = 0;
    std::uint64_t bytes_sent = 0;
    std::uint64_t connections_accepted = 0;
    std::uint64_t connections_closed = 0;  // by this worker, whoever accepted them
    std::uint64_t timeouts = 0;
    std::uint64_t wakeups = 0;
    std::uint64_t latency_ns = 0;  // the sum of what `latency` counts
    std::uint64_t busy_ns = 0;     // between a wake-up and the wait after it
    std::uint64_t cpu_ns = 0;      // of the worker's thread since run() began
    // Requests by latency: from the wake-up that brought the request's last byte to its reply
    // having been given to the kernel, or kept for a client that reads slowly. Time that the bytes
    // waited in the socket while all workers were busy is not in it. The requests of one batch
    // share one value, the batch's.
    std::array<std::uint64_t, latency_buckets::count> latency{};

    statistics& operator+=(const statistics& other);

    // The latency in ns that `fraction` (0 to 1) of the requests did not exceed; 0 without
    // requests.
    std::uint64_t percentile(double fraction) const;
};

// A worker's own. Writer: the worker's thread. Readers: any thread, through copy().
struct alignas(64) worker_statistics {
    using counter = concurrency::single_writer_counter;
    counter requests;
    std::array<counter, 6> responses;
    counter bytes_received, bytes_sent;
    counter connections_accepted, connections_closed, timeouts, wakeups, busy_ns, latency_ns;
    std::array<counter, latency_buckets::count> latency;

    void response_sent(int status) {
        unsigned digit = static_cast<unsigned>(status) / 100;
        responses[digit < 6 ? digit : 0].add(1);
    }
    void replied(std::uint64_t requests_of_batch, std::uint64_t ns) {
        latency[latency_buckets::index(ns)].add(requests_of_batch);
        latency_ns.add(requests_of_batch * ns);
    }
    statistics copy() const;
};

}  // namespace allcores::http
