#include "http/statistics.h"

namespace allcores::http {

statistics& statistics::operator+=(const statistics& other) {
    requests += other.requests;
    for (std::size_t i = 0; i < responses.size(); ++i) responses[i] += other.responses[i];
    bytes_received += other.bytes_received;
    bytes_sent += other.bytes_sent;
    connections_accepted += other.connections_accepted;
    connections_closed += other.connections_closed;
    timeouts += other.timeouts;
    wakeups += other.wakeups;
    latency_ns += other.latency_ns;
    busy_ns += other.busy_ns;
    cpu_ns += other.cpu_ns;
    for (std::size_t i = 0; i < latency.size(); ++i) latency[i] += other.latency[i];
    return *this;
}

std::uint64_t statistics::percentile(double fraction) const {
    std::uint64_t total = 0;
    for (std::uint64_t each : latency) total += each;
    if (total == 0) return 0;
    auto wanted = static_cast<double>(total) * fraction;
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < latency.size(); ++i) {
        seen += latency[i];
        if (latency[i] && static_cast<double>(seen) >= wanted) {
            // The largest value of the bucket.
            return latency_buckets::lower(i + 1) - 1;
        }
    }
    return latency_buckets::lower(latency.size()) - 1;
}

statistics worker_statistics::copy() const {
    statistics result;
    result.requests = requests.value();
    for (std::size_t i = 0; i < responses.size(); ++i) result.responses[i] = responses[i].value();
    result.bytes_received = bytes_received.value();
    result.bytes_sent = bytes_sent.value();
    result.connections_accepted = connections_accepted.value();
    result.connections_closed = connections_closed.value();
    result.timeouts = timeouts.value();
    result.wakeups = wakeups.value();
    result.latency_ns = latency_ns.value();
    result.busy_ns = busy_ns.value();
    for (std::size_t i = 0; i < latency.size(); ++i) result.latency[i] = latency[i].value();
    return result;
}

}  // namespace allcores::http
