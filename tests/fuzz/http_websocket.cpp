// Feeds arbitrary bytes to a WebSocket that echoes, in one piece and in pieces, and checks that the
// pieces make no difference and that what it sends is well formed. The first byte says how: 1 with
// compression, 2 with context takeover, 4 the sink stops after each message, 8 the streams rest
// between two pieces; the same bytes go to the reader of the handshake's extensions.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "http/websocket.h"
#include "http/websocket_handshake.h"
#include "http/websocket_offers.h"

namespace {

using namespace allcores::http;

void require(bool holds) {
    if (!holds) std::abort();
}

constexpr websocket_options small{
    .max_message = 2000, .max_fragments = 8, .deflate = {.least = 16}};

class recorder final : public websocket::sink {
 public:
    explicit recorder(int how)
        : kit_(small),
          socket_(deflate_agreement{.enabled = (how & 1) != 0,
                                    .server_takeover = (how & 2) != 0,
                                    .client_takeover = (how & 2) != 0}),
          how_(how) {}

    bool on_text(std::string_view text) override {
        require(is_utf8(text));
        return message("text", text, socket_.send_text(kit_, text, out_));
    }
    bool on_binary(std::string_view bytes) override {
        return message("binary", bytes, socket_.send_binary(kit_, bytes, out_));
    }
    void on_pong(std::string_view payload) override {
        require(!closed_ && payload.size() <= 125);
        text_ += "pong" + std::string(payload) + "\n";
    }
    void on_close(std::uint16_t code, std::string_view reason, bool by_client) override {
        require(!closed_ && socket_.at() == websocket::phase::closed);
        closed_ = true;
        // Which of several faults is seen first depends on how much is inflated at a time.
        text_ += by_client ? std::to_string(code) + std::string(reason) : "fault";
    }

    // Each piece in memory of its own size, which the address sanitizer watches.
    std::string run(std::string_view bytes, std::size_t piece) {
        bool stopped = false;
        while (stopped || !bytes.empty()) {
            const std::string_view now = bytes.substr(0, piece);
            const std::vector<char> exact(now.begin(), now.end());
            const websocket::fed fed =
                socket_.feed(kit_, {exact.data(), exact.size()}, *this, out_);
            require(fed.taken <= exact.size());
            require(fed.stopped ? (how_ & 4) != 0 : fed.taken == exact.size());
            bytes.remove_prefix(fed.taken);
            stopped = fed.stopped;
            if (how_ & 8) socket_.rest();
        }
        require(closed_ == (socket_.at() == websocket::phase::closed));
        check_output();
        return text_;
    }

 private:
    bool message(std::string_view kind, std::string_view bytes, bool sent) {
        require(!closed_ && sent && bytes.size() <= small.max_message);
        (text_ += kind) += std::string(bytes) + "\n";
        return (how_ & 4) == 0;
    }

    // Whole frames of known kinds without a mask, and at most one Close, the last.
    void check_output() {
        std::string_view rest = out_.view();
        bool close = false;
        while (!rest.empty()) {
            require(!close && rest.size() >= 2);
            const auto byte = [&](std::size_t at) {
                return static_cast<std::size_t>(static_cast<unsigned char>(rest.at(at)));
            };
            const std::size_t code = byte(0) & 15;
            require(code == 1 || code == 2 || code == 8 || code == 10);
            require((byte(0) & 0x80) && !(byte(0) & 0x30));
            require(!(byte(0) & 0x40) || ((how_ & 1) && code <= 2));
            std::size_t size = byte(1), head = 2;
            require(size <= 126);
            if (size == 126) {
                size = byte(2) << 8 | byte(3);
                head = 4;
                require(size >= 126);
            }
            require(code < 8 || size <= 125);
            require(rest.size() >= head + size);
            close = code == 8;
            rest.remove_prefix(head + size);
        }
        require(close == closed_);
    }

    websocket_kit kit_;
    websocket socket_;
    byte_buffer out_;
    const int how_;
    std::string text_;
    bool closed_ = false;
};

void read_offers(std::string_view value) {
    offer_reader offers(value);
    std::size_t count = 0;
    while (offers.next()) {
        require(++count <= value.size());
        if (const auto agreed = offers.current().accept({})) {
            require(agreed->enabled && agreed->server_bits >= 9 && agreed->server_bits <= 15);
            require(agreed->client_bits >= 8 && agreed->client_bits <= 15);
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2 || size > 4096) return 0;
    const int how = data[0];
    const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
    const std::string whole = recorder(how).run(input, input.size());
    for (std::size_t piece : {std::size_t{1}, std::size_t{7}}) {
        require(recorder(how).run(input, piece) == whole);
    }
    require(recorder(how ^ 12).run(input, input.size()) == whole);
    read_offers(input);
    return 0;
}
