// Feeds arbitrary bytes to the request parser in one piece and in pieces, and checks that the
// pieces make no difference and that every request it accepts is one that the rules allow.
// docs/http.md says how to run it.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/parser.h"
#include "http/syntax.h"

namespace {

using namespace allcores::http;

void require(bool holds) {
    if (!holds) std::abort();
}

constexpr limits small{
    .max_header_bytes = 512, .max_headers = 8, .max_target = 64, .max_body_bytes = 256};

// Writes down what it gets, and checks it.
class recorder final : public request_parser::sink {
 public:
    explicit recorder(bool stops) : stops_(stops) {}

    bool on_request(const request& request) override {
        require(request.target.size() <= small.max_target && !request.target.empty());
        require(request.headers.size() <= small.max_headers);
        require(request.body.size() <= small.max_body_bytes);
        require(request.major == 1 && request.minor <= 1);
        require(!request.path.empty());
        int hosts = 0, lengths = 0, codings = 0;
        text += std::string(request.method) + " " + std::string(request.path) + "?" +
                std::string(request.query) + (request.keep_alive ? "+" : "-") + "\n";
        for (const field& each : request.headers) {
            require(is_token(each.name) && is_field_value(each.value));
            hosts += equal_ignoring_case(each.name, "host");
            lengths += equal_ignoring_case(each.name, "content-length");
            codings += equal_ignoring_case(each.name, "transfer-encoding");
            text += std::string(each.name) + "=" + std::string(each.value) + "\n";
        }
        require(hosts <= 1 && hosts + (request.minor == 0) >= 1);
        require(lengths + codings <= 1);
        require(request.ended && request.whole == taken.empty());
        require(request.chunked || request.content_length == taken.size() + request.body.size());
        text += std::exchange(taken, {}) + std::string(request.body) + "\n";
        return !stops_;
    }

    std::string text;
    std::string taken;  // of the body that comes

 private:
    bool stops_;
};

struct run_result {
    std::string text;
    int status;  // of the failure, or 0
};

// As a worker does it: between two pieces the kept bytes move to memory of exactly their size,
// which the address sanitizer watches. With `takes`, what has come of a body is kept elsewhere.
run_result run(std::string_view input, std::size_t piece, bool stops, bool takes = false) {
    recorder sink(stops);
    request_parser parser(small, sink);
    message_state state;
    peer client{"127.0.0.1", 1};
    std::vector<char> memory;
    std::size_t kept = 0;
    while (!input.empty()) {
        std::size_t size = std::min(piece, input.size());
        std::vector<char> next(kept + size);
        if (kept) std::memcpy(next.data(), memory.data(), kept);
        std::memcpy(next.data() + kept, input.data(), size);
        if (kept) state.moved(next.data());
        memory = std::move(next);
        char* data = memory.data() + kept;
        request_parser::result result = parser.feed(state, data, size, client);
        if (result.what == request_parser::outcome::failed) {
            require(result.status >= 400 && result.status <= 505);
            return {sink.text, result.status};
        }
        std::size_t used = size;
        if (result.what == request_parser::outcome::stopped) {
            require(result.end >= data && result.end <= data + size);
            used = static_cast<std::size_t>(result.end - data);
            require(state.origin() == nullptr);
        }
        input.remove_prefix(used);
        if (takes && state.at() == message_state::stage::body) {
            const std::string_view here = state.body_here();
            const std::size_t some = here.size() - here.size() % 3;
            sink.taken += here.substr(0, some);
            state.take_body(some);
            require(state.body_here().size() == here.size() - some);
        }
        kept = state.kept(data + used);
        if (kept) {
            std::vector<char> exact(state.origin(), state.origin() + kept);
            state.moved(exact.data());
            memory = std::move(exact);
        }
        // What is kept must stay within what the limits allow.
        require(kept <= std::max<std::size_t>(small.max_header_bytes, small.max_target) + piece +
                            small.max_body_bytes + small.max_header_bytes);
    }
    return {sink.text, 0};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size > 4096) return 0;
    std::string_view input(reinterpret_cast<const char*>(data), size);
    run_result whole = run(input, size ? size : 1, false);
    for (std::size_t piece : {std::size_t{1}, std::size_t{7}}) {
        for (const bool takes : {false, true}) {
            run_result pieces = run(input, piece, false, takes);
            require(pieces.text == whole.text);
            require((pieces.status != 0) == (whole.status != 0));
        }
    }
    // Stopped after each request, with what follows fed again. A request that asks for closing is
    // the last.
    run_result stopped = run(input, size ? size : 1, true);
    require(stopped.text == whole.text);
    return 0;
}
