#include "http/metrics.h"

#include <array>
#include <charconv>
#include <string_view>
#include <utility>

namespace allcores::http {
namespace {

class text_writer {
 public:
    void family(std::string_view name, std::string_view type, std::string_view help) {
        name_ = name;
        text_.append("# HELP allcores_").append(name).append(" ").append(help).append("\n");
        text_.append("# TYPE allcores_").append(name).append(" ").append(type).append("\n");
    }
    // `more`: what follows the family's name, such as a suffix or labels.
    template <class Number>
    void value(Number number, std::string_view more = {}) {
        std::array<char, 64> digits;
        char* const end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
        text_.append("allcores_").append(name_).append(more).append(" ");
        text_.append(digits.data(), end).append("\n");
    }
    std::string take() { return std::move(text_); }

 private:
    std::string text_;
    std::string_view name_;
};

constexpr std::pair<std::uint64_t, std::string_view> bounds[] = {
    {100'000, "0.0001"},   {250'000, "0.00025"},   {500'000, "0.0005"},   {1'000'000, "0.001"},
    {2'500'000, "0.0025"}, {5'000'000, "0.005"},   {10'000'000, "0.01"},  {25'000'000, "0.025"},
    {50'000'000, "0.05"},  {100'000'000, "0.1"},   {250'000'000, "0.25"}, {500'000'000, "0.5"},
    {1'000'000'000, "1"},  {2'500'000'000, "2.5"}, {5'000'000'000, "5"},  {10'000'000'000, "10"},
};

double seconds(std::uint64_t ns) {
    return static_cast<double>(ns) / 1e9;
}

// Each of the statistics' own buckets counts with the largest value that it can have.
void write_latency(text_writer& out, const statistics& sum) {
    out.family("request_duration_seconds", "histogram",
               "From the event that brought a request to its answer being given to the kernel.");
    std::uint64_t count = 0;
    std::size_t next = 0;
    for (const auto& [bound, label] : bounds) {
        while (next < sum.latency.size() && latency_buckets::lower(next + 1) - 1 <= bound) {
            count += sum.latency[next++];
        }
        out.value(count, "_bucket{le=\"" + std::string(label) + "\"}");
    }
    for (; next < sum.latency.size(); ++next) count += sum.latency[next];
    out.value(count, "_bucket{le=\"+Inf\"}");
    out.value(seconds(sum.latency_ns), "_sum");
    out.value(count, "_count");
}

template <class Read>
void write_workers(text_writer& out, const std::vector<statistics>& workers, Read read) {
    for (std::size_t i = 0; i < workers.size(); ++i) {
        if (workers[i].cpu_ns == 0) continue;
        out.value(read(workers[i]), "{worker=\"" + std::to_string(i) + "\"}");
    }
}

}  // namespace

std::string metrics_text(const std::vector<statistics>& workers, unsigned serving,
                         std::uint64_t open_connections) {
    statistics sum;
    for (const statistics& each : workers) sum += each;
    text_writer out;
    out.family("workers", "gauge", "Interpreters that serve.");
    out.value(serving);
    out.family("responses_total", "counter", "Responses by the class of their status.");
    for (const char digit : {'1', '2', '3', '4', '5'}) {
        const std::string label = std::string("{class=\"") + digit + "xx\"}";
        out.value(sum.responses[static_cast<std::size_t>(digit - '0')], label);
    }
    write_latency(out, sum);
    out.family("connections", "gauge", "Connections that are open.");
    out.value(open_connections);
    out.family("connections_accepted_total", "counter", "Connections that were accepted.");
    out.value(sum.connections_accepted);
    out.family("timeouts_total", "counter", "Connections that took too long.");
    out.value(sum.timeouts);
    out.family("received_bytes_total", "counter", "Bytes that were read from clients.");
    out.value(sum.bytes_received);
    out.family("sent_bytes_total", "counter", "Bytes that were sent to clients.");
    out.value(sum.bytes_sent);
    out.family("requests_total", "counter", "Requests that each worker has taken.");
    write_workers(out, workers, [](const statistics& each) { return each.requests; });
    out.family("worker_cpu_seconds_total", "counter", "Processor time of each worker's thread.");
    write_workers(out, workers, [](const statistics& each) { return seconds(each.cpu_ns); });
    out.family("worker_busy_seconds_total", "counter", "Time that each worker was with events.");
    write_workers(out, workers, [](const statistics& each) { return seconds(each.busy_ns); });
    return out.take();
}

}  // namespace allcores::http
