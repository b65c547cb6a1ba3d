// The client's end for tests of websocket: makes frames byte by byte, reads the server's with a
// reader of its own, and writes down what either side gets, a line for each.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "http/websocket.h"

namespace allcores::http::websocket_test {

using namespace std::string_literals;

struct frame_options {
    bool final = true;
    int reserved = 0;  // RSV1 is 4
    bool masked = true;
};

inline std::string frame(int code, std::string_view payload, const frame_options& options = {}) {
    constexpr unsigned char key[4] = {0x37, 0xfa, 0x21, 0x3d};
    std::string text;
    text += static_cast<char>((options.final ? 0x80 : 0) | options.reserved << 4 | code);
    const int mask = options.masked ? 0x80 : 0;
    const std::size_t size = payload.size();
    const int length_bytes = size < 126 ? 0 : size < 65536 ? 2 : 8;
    text += static_cast<char>(mask | (length_bytes == 0   ? static_cast<int>(size)
                                      : length_bytes == 2 ? 126
                                                          : 127));
    for (int i = length_bytes - 1; i >= 0; --i) text += static_cast<char>(size >> (8 * i));
    if (!options.masked) return text += payload;
    text.append(reinterpret_cast<const char*>(key), 4);
    for (std::size_t i = 0; i < size; ++i) text += static_cast<char>(payload[i] ^ key[i % 4]);
    return text;
}

// A fragment that is not the last one.
inline std::string part(int code, std::string_view payload) {
    return frame(code, payload, {.final = false});
}

inline std::string text(std::string_view payload) {
    return frame(1, payload);
}
inline std::string binary(std::string_view payload) {
    return frame(2, payload);
}
inline std::string ping(std::string_view payload) {
    return frame(9, payload);
}
inline std::string pong(std::string_view payload) {
    return frame(10, payload);
}
inline std::string code_bytes(int code) {
    return {static_cast<char>(code >> 8), static_cast<char>(code)};
}
inline std::string close(int code, std::string_view reason = {}) {
    return frame(8, code_bytes(code) += reason);
}
inline std::string close() {
    return frame(8, {});
}

// A line says what it is about; one that would be long only its size and a sum.
inline std::string line(std::string_view what, std::string_view payload) {
    std::string text(what);
    if (payload.size() <= 130) return (text += ":" + std::string(payload)) += "\n";
    std::uint64_t sum = 14695981039346656037u;
    for (const char c : payload) sum = (sum ^ static_cast<unsigned char>(c)) * 1099511628211u;
    return text += "[" + std::to_string(payload.size()) + "]" + std::to_string(sum) + "\n";
}

struct server_frame {
    int code;
    bool compressed;
    std::string payload;
};

// What the server sent: whole frames, final, without a mask and with the shortest length.
inline std::vector<server_frame> read_frames(std::string_view bytes) {
    std::vector<server_frame> frames;
    while (!bytes.empty()) {
        const auto byte = [&](std::size_t at) {
            return static_cast<std::uint64_t>(static_cast<unsigned char>(bytes.at(at)));
        };
        EXPECT_EQ(byte(0) & 0xb0, 0x80u);
        std::size_t head = 2;
        std::uint64_t size = byte(1);
        if (size >= 126) {
            const std::size_t length_bytes = size == 126 ? 2 : 8;
            const std::uint64_t least = size == 126 ? 126 : 65536;
            size = 0;
            for (std::size_t i = 0; i < length_bytes; ++i) size = size << 8 | byte(2 + i);
            EXPECT_GE(size, least);
            head += length_bytes;
        }
        if (bytes.size() < head + size) {
            ADD_FAILURE() << "the server's last frame is not whole";
            break;
        }
        frames.push_back({static_cast<int>(byte(0) & 0xf), (byte(0) & 0x40) != 0,
                          std::string(bytes.substr(head, size))});
        bytes.remove_prefix(head + size);
    }
    return frames;
}

// The same as lines; of a Close only its code.
inline std::string sent_lines(std::string_view bytes) {
    std::string lines;
    for (const server_frame& each : read_frames(bytes)) {
        const std::string compressed = each.compressed ? "compressed " : "";
        switch (each.code) {
            case 1:
                lines += line(compressed + "text", each.payload);
                break;
            case 2:
                lines += line(compressed + "binary", each.payload);
                break;
            case 8:
                if (each.payload.size() < 2) {
                    lines += "close\n";
                } else {
                    const auto at = [&](std::size_t i) {
                        return static_cast<unsigned char>(each.payload[i]);
                    };
                    lines += "close " + std::to_string(at(0) << 8 | at(1)) + "\n";
                }
                break;
            case 9:
                lines += line("ping", each.payload);
                break;
            case 10:
                lines += line("pong", each.payload);
                break;
            default:
                ADD_FAILURE() << "the server sent a frame with opcode " << each.code;
        }
    }
    return lines;
}

// A server that answers each message with the same, as Autobahn wants its subject to.
class echo final : public websocket::sink {
 public:
    explicit echo(const websocket_options& options, const deflate_agreement& deflate = {})
        : kit_(options), socket(deflate) {}

    bool on_text(std::string_view text) override {
        got += line("text", text);
        if (echoes) socket.send_text(kit_, text, out);
        return !stops;
    }
    bool on_binary(std::string_view bytes) override {
        got += line("binary", bytes);
        if (echoes) socket.send_binary(kit_, bytes, out);
        return !stops;
    }
    void on_pong(std::string_view payload) override { got += line("pong", payload); }
    void on_close(std::uint16_t code, std::string_view reason, bool by_client) override {
        got += line("close " + std::to_string(code) + (by_client ? " by client" : " by us"),
                    by_client ? reason : "");
    }

    websocket::fed feed(std::string_view bytes) { return socket.feed(kit_, bytes, *this, out); }
    websocket_kit& kit() { return kit_; }
    std::string sent() const { return sent_lines(out.view()); }

 private:
    websocket_kit kit_;

 public:
    websocket socket;
    byte_buffer out;
    std::string got;
    bool echoes = true;
    bool stops = false;
};

// Feeds pieces of so many bytes, each in memory of its own that ends with it.
inline void feed_in_pieces(echo& server, std::string_view bytes, std::size_t piece) {
    while (!bytes.empty()) {
        const std::string_view now = bytes.substr(0, piece);
        const std::vector<char> exact(now.begin(), now.end());
        const websocket::fed fed = server.feed({exact.data(), exact.size()});
        EXPECT_EQ(fed.taken, exact.size());
        EXPECT_FALSE(fed.stopped);
        bytes.remove_prefix(now.size());
    }
}

}  // namespace allcores::http::websocket_test
