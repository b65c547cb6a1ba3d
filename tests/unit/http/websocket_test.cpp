// What Autobahn's cases leave open: the server's own end of the closing handshake, limits, a sink
// that stops, heads without bodies, and memory.
#include "http/websocket.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <memory>

#include "websocket_fixture.h"

namespace allcores::http {
namespace {

using namespace websocket_test;
using namespace std::string_literals;
using phase = websocket::phase;

TEST(WebSocket, WeCloseFirst) {
    const websocket_options options;
    echo server(options);
    ASSERT_TRUE(server.socket.close(server.kit(), 1001, "going", server.out));
    EXPECT_EQ(server.socket.at(), phase::closing);
    EXPECT_EQ(server.out.view(), "\x88\x07\x03\xe9going"s);
    // What the client had sent before it saw that is dropped, pings too.
    server.feed(text("late") + part(2, "in parts") + ping("x") + frame(0, "end") + pong("y"));
    EXPECT_EQ(server.got, "pong:y\n");
    EXPECT_EQ(server.socket.at(), phase::closing);
    EXPECT_FALSE(server.socket.send_text(server.kit(), "a", server.out));
    EXPECT_FALSE(server.socket.begin_binary(server.kit(), 1, server.out));
    EXPECT_FALSE(server.socket.ping(server.kit(), "a", server.out));
    EXPECT_FALSE(server.socket.close(server.kit(), 1000, "", server.out));
    server.feed(close(1001) + text("later"));
    EXPECT_EQ(server.got, "pong:y\nclose 1001 by client:\n");
    EXPECT_EQ(server.socket.at(), phase::closed);
    EXPECT_EQ(server.sent(), "close 1001\n");
    EXPECT_EQ(server.feed("anything").taken, 8u);
}

TEST(WebSocket, WeCloseWithinAMessage) {
    const websocket_options options;
    echo server(options);
    server.feed(part(1, "begun"));
    server.socket.close(server.kit(), 1000, "", server.out);
    server.feed(frame(0, "\xff not looked at any more") + frame(0, "nor this") + close());
    EXPECT_EQ(server.got, "close 1005 by client:\n");
}

TEST(WebSocket, WrongWhileClosing) {
    const websocket_options options;
    for (const std::string& bytes :
         {frame(1, "x", {.masked = false}), frame(3, ""), frame(8, "a"), part(9, "")}) {
        echo server(options);
        server.socket.close(server.kit(), 1000, "", server.out);
        server.feed(bytes);
        EXPECT_EQ(server.got, "close 1002 by us:\n");
        EXPECT_EQ(server.sent(), "close 1000\n") << "only one Close is sent";
    }
}

TEST(WebSocket, CodesAndReasonsThatMayBeSent) {
    const websocket_options options;
    const auto closes = [&](std::uint16_t code, std::string_view reason) {
        echo server(options);
        const bool done = server.socket.close(server.kit(), code, reason, server.out);
        EXPECT_EQ(done, !server.out.empty());
        EXPECT_EQ(server.socket.at(), done ? phase::closing : phase::open);
        return done;
    };
    for (std::uint16_t code : {1000, 1001, 1011, 1012, 3000, 4999}) EXPECT_TRUE(closes(code, "x"));
    for (std::uint16_t code : {0, 999, 1004, 1006, 1015, 2999, 5000})
        EXPECT_FALSE(closes(code, ""));
    EXPECT_TRUE(closes(close_code::none, ""));
    EXPECT_FALSE(closes(close_code::none, "x"));
    EXPECT_TRUE(closes(1000, std::string(123, 'a')));
    EXPECT_FALSE(closes(1000, std::string(124, 'a')));
    EXPECT_FALSE(closes(1000, "\xff"));
}

TEST(WebSocket, FramesWithoutAMask) {
    const websocket_options options;
    for (int code : {1, 2, 8, 9, 10}) {
        echo server(options);
        server.feed(frame(code, "", {.masked = false}));
        EXPECT_EQ(server.got, "close 1002 by us:\n");
    }
}

TEST(WebSocket, LengthsThatAreNotTheShortest) {
    const websocket_options options;
    for (const std::string& head :
         {"\x82\xfe\x00\x7d"s, "\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff"s,
          "\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00"s}) {
        echo server(options);
        server.feed(head + "mask" + std::string(200, 'a'));
        EXPECT_EQ(server.got, "close 1002 by us:\n");
    }
}

TEST(WebSocket, LimitOnMessages) {
    const websocket_options options{.max_message = 1000};
    const std::string most(1000, 'a');
    echo server(options);
    server.echoes = false;
    server.feed(text(most) + part(1, most.substr(1)) + frame(0, "b"));
    EXPECT_EQ(server.socket.at(), phase::open);
    // Said by the head of a frame already.
    const std::string over = text(most + "b");
    for (const std::size_t cut : {1, 2, 4, 7}) {
        echo one(options);
        one.feed(text("x") + over.substr(0, cut));
        EXPECT_EQ(one.got, "text:x\n");
        one.feed(std::string_view(over).substr(cut, 8 - cut));
        EXPECT_EQ(one.got, "text:x\nclose 1009 by us:\n");
    }
    echo two(options), huge(options), three(options);
    three.feed(part(1, most) + frame(0, "b").substr(0, 6));
    EXPECT_EQ(three.sent(), "close 1009\n");
    two.feed(part(1, most) + frame(0, "b"));
    EXPECT_EQ(two.sent(), "close 1009\n");
    huge.feed("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff"s + "mask");
    EXPECT_EQ(huge.got, "close 1009 by us:\n");
}

// All that a head can break is said when it is there; of a good one nothing happens twice.
TEST(WebSocket, HeadsWithoutTheirPayload) {
    const websocket_options options{.max_fragments = 3};
    for (const std::string& bad :
         {frame(3, "x"), frame(1, "x", {.reserved = 2}), frame(0, "x"),
          frame(9, "x", {.reserved = 4}), frame(2, std::string(70'000, 'x'), {.masked = false})}) {
        const std::size_t head = bad.size() > 100 ? 10 : 6;
        echo server(options);
        server.feed(std::string_view(bad).substr(0, head - 1));
        EXPECT_EQ(server.got, "");
        server.feed(std::string_view(bad).substr(head - 1, 1));
        EXPECT_EQ(server.got, "close 1002 by us:\n");
    }
    echo good(options);
    for (const std::string& each :
         {part(1, "a"), part(0, "b"), ping("?"), frame(0, "c"), text(std::string(5000, 'd'))}) {
        const std::size_t head = each.size() > 100 ? 8 : 6;
        good.feed(std::string_view(each).substr(0, head));
        good.feed({});
        good.feed(std::string_view(each).substr(head));
    }
    EXPECT_EQ(good.got, "text:abc\n" + line("text", std::string(5000, 'd')));
}

TEST(WebSocket, LimitOnFragments) {
    const websocket_options options{.max_fragments = 10};
    std::string nine = part(1, "");
    for (int i = 0; i < 8; ++i) nine += part(0, "");
    echo good(options), bad(options);
    good.feed(nine + frame(0, "") + nine + frame(0, "x"));
    EXPECT_EQ(good.got, "text:\ntext:x\n");
    bad.feed(nine + part(0, "") + frame(0, ""));
    EXPECT_EQ(bad.got, "close 1008 by us:\n");
}

// Whatever of the input the reader has taken before the sink stopped is not lost.
TEST(WebSocket, ASinkThatStops) {
    const websocket_options options;
    std::string bytes, expected;
    for (int i = 0; i < 40; ++i) {
        const std::string payload(static_cast<std::size_t>(i * i * 5),
                                  static_cast<char>('a' + i % 26));
        bytes += i % 3 ? text(payload) : part(1, payload) + ping("") + frame(0, "");
        expected += line("text", payload);
    }
    bytes += close(1000);
    for (std::size_t piece : {std::size_t{1}, std::size_t{100}, std::size_t{5000}, bytes.size()}) {
        echo server(options);
        server.echoes = false;
        server.stops = true;
        std::string_view rest = bytes;
        int stops = 0;
        for (bool stopped = false; stopped || !rest.empty();) {
            const std::string before = server.got;
            const websocket::fed fed = server.feed(rest.substr(0, piece));
            EXPECT_LE(std::count(server.got.begin(), server.got.end(), '\n'),
                      std::count(before.begin(), before.end(), '\n') + 1);
            EXPECT_TRUE(fed.stopped || fed.taken == std::min(piece, rest.size()));
            rest.remove_prefix(fed.taken);
            stopped = fed.stopped;
            stops += stopped;
        }
        EXPECT_EQ(server.got, expected + "close 1000 by client:\n");
        EXPECT_EQ(stops, 40);
    }
}

// An application closes from within a call.
class closing_sink final : public websocket::sink {
 public:
    closing_sink(websocket& socket, websocket_kit& kit) : socket_(socket), kit_(kit) {}
    bool on_text(std::string_view text) override {
        got += text;
        socket_.close(kit_, 1000, text.substr(0, 5), out);
        return true;
    }
    bool on_binary(std::string_view) override { return true; }
    void on_close(std::uint16_t, std::string_view, bool) override { got += " closed"; }

    std::string got;
    byte_buffer out;

 private:
    websocket& socket_;
    websocket_kit& kit_;
};

TEST(WebSocket, ClosedByTheApplicationWithinACall) {
    const websocket_options options;
    for (const std::string& bytes :
         {text("hello"), part(1, "hel") + frame(0, "lo"), text(std::string(10'000, 'h'))}) {
        websocket_kit kit(options);
        websocket socket;
        closing_sink sink(socket, kit);
        socket.feed(kit, bytes + text("dropped") + part(2, "x"), sink, sink.out);
        EXPECT_EQ(socket.at(), phase::closing);
        EXPECT_FALSE(sink.got.contains("dropped"));
        EXPECT_EQ(sent_lines(sink.out.view()), "close 1000\n");
        socket.feed(kit, close(1000), sink, sink.out);
        EXPECT_TRUE(sink.got.ends_with(" closed"));
    }
}

TEST(WebSocket, HeadsOfMessagesThatAreSentFromWhereTheyAre) {
    const websocket_options options;
    for (std::size_t size : {0, 1, 125, 126, 65535, 65536, 1 << 20}) {
        echo server(options);
        const std::string body(size, 'a');
        ASSERT_TRUE(server.socket.begin_text(server.kit(), size, server.out));
        EXPECT_LE(server.out.size(), max_frame_head);
        server.out.append(body);
        ASSERT_TRUE(server.socket.begin_binary(server.kit(), size, server.out));
        server.out.append(body);
        ASSERT_TRUE(server.socket.send_text(server.kit(), "after", server.out));
        EXPECT_EQ(server.sent(), line("text", body) + line("binary", body) + "text:after\n");
    }
}

TEST(WebSocket, Pings) {
    const websocket_options options;
    echo server(options);
    EXPECT_TRUE(server.socket.ping(server.kit(), "", server.out));
    EXPECT_TRUE(server.socket.ping(server.kit(), std::string(125, 'p'), server.out));
    EXPECT_FALSE(server.socket.ping(server.kit(), std::string(126, 'p'), server.out));
    EXPECT_EQ(server.sent(), "ping:\nping:" + std::string(125, 'p') + "\n");
}

// Sanitizers have an allocator of their own, which mallinfo2() knows nothing about: then it is 0.
std::size_t heap() {
    const struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

// A worker's kit serves many, each in the middle of something else, and moves from one to another.
TEST(WebSocket, OneKitForMany) {
    const websocket_options options;
    websocket_kit kit(options), other(options);
    struct recorder final : websocket::sink {
        bool on_text(std::string_view text) override {
            got += text;
            return true;
        }
        bool on_binary(std::string_view) override { return true; }
        void on_close(std::uint16_t, std::string_view, bool) override { got += "closed"; }
        std::string got;
    };
    constexpr std::size_t count = 50;
    std::vector<std::unique_ptr<websocket>> sockets;
    std::vector<recorder> sinks(count);
    std::vector<std::string> input(count);
    byte_buffer out;
    for (std::size_t i = 0; i < count; ++i) {
        sockets.push_back(std::make_unique<websocket>(deflate_agreement{.enabled = true}));
        const std::string name = "n" + std::to_string(i);
        input[i] = part(1, name) + ping(name) + frame(0, name) +
                   frame(1, "\xf2\x48\xcd\xc9\xc9\x07\x00"s, {.reserved = 4}) + text(name);
    }
    bool more = true;
    for (std::size_t at = 0; more; ++at) {
        more = false;
        for (std::size_t i = 0; i < count; ++i) {
            const std::size_t piece = 1 + i % 5, from = at * piece;
            if (from >= input[i].size()) continue;
            more = true;
            sockets[i]->feed((at + i) % 2 ? kit : other,
                             std::string_view(input[i]).substr(from, piece), sinks[i], out);
        }
    }
    for (std::size_t i = 0; i < count; ++i) {
        const std::string name = "n" + std::to_string(i);
        EXPECT_EQ(sinks[i].got, name + name + "Hello" + name);
    }
}

TEST(WebSocket, AMessageThatNobodyWillWantIsLetGo) {
    const websocket_options options;
    echo server(options);
    server.out.room(4096);
    const std::size_t before = heap();
    server.feed(part(1, std::string(1'000'000, 'a')));
    server.socket.close(server.kit(), 1000, "", server.out);
    EXPECT_LE(heap(), before + 16 * 1024);
}

// What the header promises.
TEST(WebSocket, AnIdleOneCostsItsSize) {
    EXPECT_LE(sizeof(websocket), 32u);
    const websocket_options options{.deflate = {.server_takeover = true, .client_takeover = true}};
    const std::string message(100'000, 'm'), small(2000, 's');
    for (const bool takeover : {false, true}) {
        const deflate_agreement both{
            .enabled = true, .server_takeover = takeover, .client_takeover = takeover};
        echo first(options, both);
        first.feed(text(message) + part(1, message) + frame(0, message));
        first.out = byte_buffer();
        first.got = {};
        const std::size_t before = heap();
        first.feed(text(small) + part(1, small) + ping("x") + frame(0, small) + text(message));
        first.socket.rest();
        first.out = byte_buffer();
        first.got = {};
        const std::size_t after = heap();
        EXPECT_LE(after, before + (takeover ? 33 * 1024 : 0));
    }
}

}  // namespace
}  // namespace allcores::http
