// permessage-deflate (RFC 7692) by zlib: one message into compressed bytes and back. Whether and
// with which parameters is websocket_handshake's business, whose memory a stream is
// websocket_kit's. One thread at a time.
//
// What streams need, measured with zlib 1.3: a deflater 262 KiB with a window of 15 bits, 38 KiB
// with 12; an inflater 39 KiB, or 11 KiB with 12 bits.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "http/byte_buffer.h"

namespace allcores::http {

// What a server wants of compression.
struct deflate_options {
    bool enabled = true;
    // Whether a message may refer to those before it. That makes small messages smaller, but each
    // connection then needs streams of its own, or their windows (websocket::rest()).
    bool server_takeover = false, client_takeover = false;
    std::uint8_t server_bits = 15, client_bits = 15;  // windows at most, 9 to 15
    std::uint8_t level = 1;     // zlib's, 1 to 9; 6 needs twice the time to save a tenth more
    std::uint32_t least = 256;  // shorter messages are sent as they are
};

// What was agreed on with a client.
struct deflate_agreement {
    bool enabled = false;
    bool server_takeover = false, client_takeover = false;
    std::uint8_t server_bits = 15, client_bits = 15;
};

class deflater {
 public:
    deflater(int bits, int level);
    deflater(const deflater&) = delete;
    ~deflater() { deflateEnd(&stream_); }

    // Appends the compressed form of a message that is not empty.
    void message(std::string_view message, byte_buffer& out);

    void reset() { deflateReset(&stream_); }
    // What the next message may refer to, to go on with in another deflater.
    std::string window();
    void go_on(std::string_view window);

 private:
    void run(int flush, byte_buffer& out);

    z_stream stream_{};
};

class inflater {
 public:
    enum class outcome : std::uint8_t {
        good,
        malformed,
        too_big,
    };

    explicit inflater(int bits);
    inflater(const inflater&) = delete;
    ~inflater() { inflateEnd(&stream_); }

    // Appends what a piece of a message gives, until `out` would have more than `limit` bytes.
    outcome piece(std::string_view bytes, byte_buffer& out, std::uint64_t limit);
    // After the last one.
    outcome finish(byte_buffer& out, std::uint64_t limit);

    void reset();
    std::string window();
    void go_on(std::string_view window);

 private:
    void next_stream();

    z_stream stream_{};
    bool ended_ = false;     // at the end of a deflate stream: more may follow in the same message
    std::uint8_t ends_ = 0;  // of this message
};

}  // namespace allcores::http
