// permessage-deflate end to end: Autobahn's groups 12 and 13, scaled down, the examples of RFC
// 7692, and what a client can do wrong. The client's zlib is used directly.
#include "http/websocket_deflate.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include "http/websocket_handshake.h"
#include "websocket_fixture.h"

namespace allcores::http {
namespace {

using namespace websocket_test;
using namespace std::string_literals;

constexpr deflate_agreement agreed{.enabled = true};
constexpr deflate_agreement with_takeover{
    .enabled = true, .server_takeover = true, .client_takeover = true};

std::string compressed(int code, std::string_view payload, bool final = true) {
    return frame(code, payload, {.final = final, .reserved = 4});
}

std::string various(std::size_t size, std::uint32_t state) {
    static const std::vector<std::string> words = {
        "{\"id\":", "\"name\":", "true,", "1234567,", "\xc3\xa9t\xc3\xa9", "\n", "[]", "}, "};
    std::string text;
    while (text.size() < size) {
        state = state * 1664525 + 1013904223;
        text += words[(state >> 24) % words.size()];
        if ((state >> 20) % 4 == 0) text += std::to_string(state);
    }
    while (text.size() > size) text.pop_back();
    while (!is_utf8(text)) text.back() = ' ';
    return text;
}

// Both directions of the client, with exactly the windows that were agreed on: an inflater with a
// smaller window than the server uses fails.
class client_streams {
 public:
    explicit client_streams(const deflate_agreement& agreed) : agreed_(agreed) {
        const int bits = std::max<int>(agreed.client_bits, 9);
        deflateInit2(&out_, 6, Z_DEFLATED, -bits, 8, Z_DEFAULT_STRATEGY);
        inflateInit2(&in_, -int{agreed.server_bits});
    }
    client_streams(const client_streams&) = delete;
    ~client_streams() {
        deflateEnd(&out_);
        inflateEnd(&in_);
    }

    std::string compress(std::string_view message) {
        if (!agreed_.client_takeover) deflateReset(&out_);
        std::string result(deflateBound(&out_, message.size()) + 100, '\0');
        out_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(message.data()));
        out_.avail_in = static_cast<uInt>(message.size());
        out_.next_out = reinterpret_cast<Bytef*>(result.data());
        out_.avail_out = static_cast<uInt>(result.size());
        deflate(&out_, Z_SYNC_FLUSH);
        result.resize(result.size() - out_.avail_out);
        EXPECT_TRUE(result.ends_with("\0\0\xff\xff"s));
        result.resize(result.size() - 4);
        return result;
    }

    std::string inflate(std::string message, std::size_t size) {
        if (!agreed_.server_takeover) inflateReset(&in_);
        message += "\0\0\xff\xff"s;
        std::string result(size + 1, '\0');
        in_.next_in = reinterpret_cast<Bytef*>(message.data());
        in_.avail_in = static_cast<uInt>(message.size());
        in_.next_out = reinterpret_cast<Bytef*>(result.data());
        in_.avail_out = static_cast<uInt>(result.size());
        const int end = ::inflate(&in_, Z_SYNC_FLUSH);
        EXPECT_TRUE(end == Z_OK && in_.avail_in == 0) << end;
        result.resize(result.size() - in_.avail_out);
        return result;
    }

 private:
    const deflate_agreement agreed_;
    z_stream out_{}, in_{};
};

struct exchange {
    deflate_agreement agreed;
    std::size_t size, count, fragment, piece;
    bool rests = false;
};

// Messages there and back, each like those before it in part.
void run(const exchange& each) {
    const websocket_options options;
    echo server(options, each.agreed);
    client_streams client(each.agreed);
    for (std::size_t i = 0; i < each.count; ++i) {
        const std::string message = various(each.size, static_cast<std::uint32_t>(i % 7));
        std::string_view rest, whole;
        const std::string packed = client.compress(message);
        whole = rest = packed;
        std::string bytes;
        do {
            const std::string_view now = rest.substr(0, each.fragment);
            const bool first = rest.size() == whole.size();
            rest.remove_prefix(now.size());
            bytes += frame(first ? 1 : 0, now, {.final = rest.empty(), .reserved = first ? 4 : 0});
        } while (!rest.empty());
        server.got.clear();
        server.out.clear();
        feed_in_pieces(server, bytes, each.piece);
        if (each.rests) server.socket.rest();
        ASSERT_EQ(server.got, line("text", message));
        const std::vector<server_frame> frames = read_frames(server.out.view());
        ASSERT_EQ(frames.size(), 1u);
        if (message.size() >= options.deflate.least) {
            ASSERT_TRUE(frames[0].compressed);
            ASSERT_LT(frames[0].payload.size(), message.size());
        }
        ASSERT_EQ(frames[0].compressed ? client.inflate(frames[0].payload, message.size())
                                       : frames[0].payload,
                  message);
    }
}

TEST(WebSocketDeflate, AutobahnGroup12Sizes) {
    for (const bool takeover : {false, true}) {
        const deflate_agreement both = takeover ? with_takeover : agreed;
        for (std::size_t size : {16, 64, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072}) {
            run({both, size, 8, std::string::npos, 65536});
            if (size >= 8192) run({both, size, 4, 256, 65536});
            if (size <= 1024) run({both, size, 3, 7, 1});
        }
    }
    run({agreed, 1 << 20, 2, 65536, 65536});
}

TEST(WebSocketDeflate, AutobahnGroup13Parameters) {
    const deflate_options options{.server_takeover = true, .client_takeover = true};
    const peer client{"127.0.0.1", 1};
    for (const char* offer : {
             "permessage-deflate",
             "permessage-deflate; client_no_context_takeover; client_max_window_bits",
             "permessage-deflate; server_no_context_takeover; client_max_window_bits",
             "permessage-deflate; server_max_window_bits=9; client_max_window_bits=9",
             "permessage-deflate; server_max_window_bits=15; client_max_window_bits",
             "permessage-deflate; server_max_window_bits=9; client_max_window_bits=15; "
             "server_no_context_takeover; client_no_context_takeover",
             "permessage-deflate; server_max_window_bits=8, permessage-deflate; "
             "server_max_window_bits=10; client_max_window_bits=8",
         }) {
        const std::vector<field> headers = {{"upgrade", "websocket"},
                                            {"connection", "upgrade"},
                                            {"sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="},
                                            {"sec-websocket-version", "13"},
                                            {"sec-websocket-extensions", offer}};
        const request asked{.method = "GET",
                            .target = "/",
                            .path = "/",
                            .query = {},
                            .method_number = 1,
                            .headers = headers,
                            .body = {},
                            .major = 1,
                            .minor = 1,
                            .keep_alive = true,
                            .client = client};
        const deflate_agreement both = websocket_handshake::parse(asked, options).deflate();
        ASSERT_TRUE(both.enabled) << offer;
        for (std::size_t size : {100, 1000, 20000, 100000}) {
            const std::size_t count = size > 20000 ? 4 : 12;
            run({both, size, count, std::string::npos, 4096});
            run({both, size, count, 100, 4096, true});
        }
    }
}

// RFC 7692 section 7.2.3.
TEST(WebSocketDeflate, TheExamplesOfTheStandard) {
    const std::string hello = "\xf2\x48\xcd\xc9\xc9\x07\x00"s;
    const websocket_options options;
    struct row {
        const char* what;
        std::string bytes;
        int messages;
    };
    for (const row& each : {
             row{"one block", compressed(1, hello), 1},
             row{"fragments", compressed(1, hello.substr(0, 3), false) + frame(0, hello.substr(3)),
                 1},
             row{"again, referring to the first",
                 compressed(1, hello) + compressed(1, "\xf2\x00\x11\x00\x00"s), 2},
             row{"without compression",
                 compressed(1, "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"s), 1},
             row{"the last block of a stream", compressed(1, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"s),
                 1},
             row{"the same, without what follows it",
                 compressed(1, "\xf3\x48\xcd\xc9\xc9\x07\x00"s), 1},
             row{"two blocks",
                 compressed(1, "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"s), 1},
             row{"not compressed at all", text("Hello"), 1},
         }) {
        for (std::size_t piece : {std::size_t{1}, each.bytes.size()}) {
            echo server(options, with_takeover);
            feed_in_pieces(server, each.bytes, piece);
            std::string expected;
            for (int i = 0; i < each.messages; ++i) expected += "text:Hello\n";
            EXPECT_EQ(server.got, expected) << each.what;
        }
    }
    // Nothing to refer to where context takeover was not agreed on.
    echo server(options, agreed);
    server.feed(compressed(1, hello) + compressed(1, "\xf2\x00\x11\x00\x00"s));
    EXPECT_EQ(server.got, "text:Hello\nclose 1007 by us:\n");
}

TEST(WebSocketDeflate, EmptyMessages) {
    const websocket_options options{.deflate = {.least = 0}};
    for (const deflate_agreement& both : {agreed, with_takeover}) {
        echo server(options, both);
        server.feed(compressed(1, "\0"s) + compressed(2, "\x02\x00"s) + compressed(1, "\0"s));
        EXPECT_EQ(server.got, "text:\nbinary:\ntext:\n");
        EXPECT_EQ(server.sent(), "text:\nbinary:\ntext:\n");
    }
}

// Messages that end a stream each, as some clients' compressors do, referring to those before.
TEST(WebSocketDeflate, StreamsThatEnd) {
    z_stream stream{};
    ASSERT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    const std::string message = various(2000, 1);
    const websocket_options options;
    echo server(options, with_takeover);
    for (int i = 0; i < 3; ++i) {
        deflateReset(&stream);
        if (i > 0) {
            deflateSetDictionary(&stream, reinterpret_cast<const Bytef*>(message.data()),
                                 static_cast<uInt>(message.size()));
        }
        std::string packed(4000, '\0');
        stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(message.data()));
        stream.avail_in = static_cast<uInt>(message.size());
        stream.next_out = reinterpret_cast<Bytef*>(packed.data());
        stream.avail_out = static_cast<uInt>(packed.size());
        ASSERT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
        packed.resize(packed.size() - stream.avail_out);
        server.got.clear();
        server.feed(compressed(1, packed + "\0"s));
        EXPECT_EQ(server.got, line("text", message));
    }
    deflateEnd(&stream);
}

TEST(WebSocketDeflate, WhatAClientDoesWrong) {
    const websocket_options options;
    struct row {
        const char* what;
        std::string bytes, got;
    };
    std::string ends;
    for (int i = 0; i < 100; ++i) ends += "\x03\x00"s;
    for (const row& each : {
             row{"a reserved type of block", compressed(1, "\x07\x00"s), "close 1007 by us:\n"},
             row{"a reference to before the beginning", compressed(1, "\xf2\x00\x11\x00\x00"s),
                 "close 1007 by us:\n"},
             row{"ends in a block", compressed(1, "\xf2\x48\xcd"s), "close 1007 by us:\n"},
             row{"too many ends of streams", compressed(1, ends), "close 1007 by us:\n"},
             row{"not UTF-8", compressed(1, "\xfa\x0f\x00"s), "close 1007 by us:\n"},
             row{"compressed continuation",
                 compressed(1, "\xf2\x48"s, false) + compressed(0, "\xcd\xc9\xc9\x07\x00"s),
                 "close 1002 by us:\n"},
             row{"compressed ping", compressed(9, ""), "close 1002 by us:\n"},
             row{"compressed close", compressed(8, ""), "close 1002 by us:\n"},
             row{"another bit", frame(1, "", {.reserved = 6}), "close 1002 by us:\n"},
         }) {
        for (std::size_t piece : {std::size_t{1}, each.bytes.size()}) {
            echo server(options, agreed);
            feed_in_pieces(server, each.bytes, piece);
            EXPECT_EQ(server.got, each.got) << each.what;
        }
    }
    echo server(options);  // compression was not agreed on
    server.feed(compressed(1, "\xf2\x48\xcd\xc9\xc9\x07\x00"s));
    EXPECT_EQ(server.got, "close 1002 by us:\n");
}

// 64 MiB of zeros in 64 KiB: stopped at the limit, not after.
TEST(WebSocketDeflate, AMessageThatIsTooBigOnceInflated) {
    constexpr std::size_t limit = 1 << 20;
    const websocket_options options{.max_message = limit};
    client_streams client(agreed);
    const std::string bomb = client.compress(std::string(64 << 20, '\0'));
    ASSERT_LT(bomb.size(), 128u * 1024);
    echo server(options, agreed);
    const struct mallinfo2 before = mallinfo2();
    server.feed(compressed(2, bomb.substr(0, 3000), false));
    const struct mallinfo2 after = mallinfo2();
    EXPECT_EQ(server.got, "close 1009 by us:\n");
    EXPECT_LT(after.uordblks + after.hblkhd, before.uordblks + before.hblkhd + 3 * limit);
    // A frame that could go on for ever.
    echo endless(options, agreed);
    endless.feed("\xc2\xff\x00\x00\x00\xff\xff\xff\xff\xff"s + "mask.");
    EXPECT_EQ(endless.got, "close 1009 by us:\n");
    // Just as much as is allowed, and one byte more.
    for (std::size_t more : {0, 1}) {
        client_streams other(agreed);
        echo exact(options, agreed);
        exact.echoes = false;
        exact.feed(compressed(2, other.compress(std::string(limit + more, 'a'))));
        EXPECT_EQ(exact.got,
                  more ? "close 1009 by us:\n" : line("binary", std::string(limit, 'a')));
    }
}

TEST(WebSocketDeflate, WhatIsSmallOrDoesNotShrinkIsSentAsItIs) {
    const websocket_options options;
    echo server(options, agreed);
    std::string noise(3000, '\0');
    std::uint32_t state = 1;
    for (char& c : noise) c = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
    server.feed(text("short") + binary(noise) + text(std::string(1000, 'a')));
    const std::vector<server_frame> frames = read_frames(server.out.view());
    ASSERT_EQ(frames.size(), 3u);
    EXPECT_FALSE(frames[0].compressed);
    EXPECT_FALSE(frames[1].compressed);
    EXPECT_EQ(frames[1].payload, noise);
    EXPECT_TRUE(frames[2].compressed);
    EXPECT_LT(frames[2].payload.size(), 30u);
    EXPECT_TRUE(server.socket.compresses(server.kit(), 1000));
    EXPECT_FALSE(server.socket.compresses(server.kit(), 100));
    // With takeover the other end's window must get it too.
    echo taking(options, with_takeover);
    taking.feed(binary(noise) + binary(noise));
    const std::vector<server_frame> twice = read_frames(taking.out.view());
    ASSERT_EQ(twice.size(), 2u);
    EXPECT_TRUE(twice[0].compressed);
    EXPECT_LT(twice[1].payload.size(), 100u);
    // Also after it has rested.
    taking.socket.rest();
    taking.out.clear();
    taking.feed(binary(noise));
    EXPECT_LT(read_frames(taking.out.view()).at(0).payload.size(), 100u);
}

}  // namespace
}  // namespace allcores::http
