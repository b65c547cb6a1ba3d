// The cases of the Autobahn test suite, groups 1 to 7, 9 and 10, as data: what the client sends,
// what an echoing server must get and answer. Numbers are Autobahn's. Each is fed at once and in
// pieces, and the small ones cut at every place.
#include <gtest/gtest.h>

#include "websocket_fixture.h"

namespace allcores::http {
namespace {

using namespace websocket_test;
using namespace std::string_literals;

struct autobahn_case {
    std::string id;
    std::string bytes;
    std::string got;   // by the server's application; nothing: see sent
    std::string sent;  // by the server
};

std::string echoed(std::string_view kind, std::string_view payload) {
    return line(kind, payload);
}

// A message and its echo.
autobahn_case good(std::string id, std::string_view kind, std::string_view payload,
                   std::string bytes) {
    return {std::move(id), std::move(bytes), line(kind, payload), line(kind, payload)};
}

const std::string protocol_got = "close 1002 by us:\n";
const std::string protocol_sent = "close 1002\n";
const std::string utf8_got = "close 1007 by us:\n";
const std::string utf8_sent = "close 1007\n";

autobahn_case wrong(std::string id, std::string bytes, std::string got = {},
                    std::string sent = {}) {
    return {std::move(id), std::move(bytes), got + protocol_got, sent + protocol_sent};
}

std::string in_fragments(int code, std::string_view payload, std::size_t size) {
    std::string bytes;
    bool first = true;
    do {
        const std::string_view now = payload.substr(0, size);
        payload.remove_prefix(now.size());
        bytes += frame(first ? code : 0, now, {.final = payload.empty()});
        first = false;
    } while (!payload.empty());
    return bytes;
}

std::vector<autobahn_case> framing() {
    std::vector<autobahn_case> cases;
    int number = 0;
    for (std::size_t size : {0, 125, 126, 127, 128, 65535, 65536}) {
        ++number;
        const std::string stars(size, '*'), bytes(size, '\xfe');
        cases.push_back(good("1.1." + std::to_string(number), "text", stars, text(stars)));
        cases.push_back(good("1.2." + std::to_string(number), "binary", bytes, binary(bytes)));
    }
    return cases;
}

std::vector<autobahn_case> pings() {
    const std::string odd = "\x00\xff\xfe\xfd\xfc\xfb\x00\xff"s, most(125, '\xfe');
    std::string ten, ten_pongs;
    for (int i = 0; i < 10; ++i) {
        ten += ping("payload-" + std::to_string(i));
        ten_pongs += "pong:payload-" + std::to_string(i) + "\n";
    }
    return {
        {"2.1", ping(""), "", "pong:\n"},
        {"2.2", ping("Hello, world!"), "", "pong:Hello, world!\n"},
        {"2.3", ping(odd), "", "pong:" + odd + "\n"},
        {"2.4", ping(most), "", "pong:" + most + "\n"},
        wrong("2.5", ping(std::string(126, '\xfe'))),
        {"2.7", pong(""), "pong:\n", ""},
        {"2.8", pong("unsolicited"), "pong:unsolicited\n", ""},
        {"2.9", pong("unsolicited") + ping("ping"), "pong:unsolicited\n", "pong:ping\n"},
        {"2.10", ten, "", ten_pongs},
    };
}

std::vector<autobahn_case> reserved_bits() {
    std::vector<autobahn_case> cases;
    const std::string hello = text("Hello"), got = echoed("text", "Hello");
    cases.push_back(wrong("3.1", frame(1, "Hello", {.reserved = 1})));
    for (int bits = 2; bits <= 4; ++bits) {
        cases.push_back(wrong("3." + std::to_string(bits),
                              hello + frame(1, "Hello", {.reserved = bits}) + ping(""), got, got));
    }
    cases.push_back(wrong("3.5", frame(2, "\xff\xfe", {.reserved = 5})));
    cases.push_back(wrong("3.6", frame(9, "Hello", {.reserved = 6})));
    cases.push_back(wrong("3.7", frame(8, "", {.reserved = 7})));
    return cases;
}

std::vector<autobahn_case> opcodes() {
    std::vector<autobahn_case> cases;
    const std::string got = echoed("text", "Hello");
    for (int code : {3, 4, 5, 6, 7, 11, 12, 13, 14, 15}) {
        const std::string id =
            code < 8 ? "4.1." + std::to_string(code - 2) : "4.2." + std::to_string(code - 10);
        cases.push_back(wrong(id, frame(code, "")));
        cases.push_back(wrong(id, frame(code, "reserved")));
        cases.push_back(wrong(id, text("Hello") + frame(code, "reserved") + ping(""), got, got));
    }
    return cases;
}

std::vector<autobahn_case> fragmentation() {
    const std::string both = echoed("text", "fragment1fragment2");
    const std::string five = "fragment1fragment2fragment3fragment4fragment5";
    const std::string end = frame(0, "fragment2");
    const std::string whole = text("Hello");
    const std::string pings = ping("pongme 1!"), pong = "pong:pongme 1!\n";
    const std::string two_pings = part(1, "fragment1") + part(0, "fragment2") + pings +
                                  part(0, "fragment3") + part(0, "fragment4") + pings +
                                  frame(0, "fragment5");
    return {
        wrong("5.1", part(9, "fragment1") + end),
        wrong("5.2", part(10, "fragment1") + end),
        {"5.3", part(1, "fragment1") + end, both, both},
        {"5.6", part(1, "fragment1") + pings + end, both, pong + both},
        wrong("5.9", frame(0, "non-continuation payload") + whole),
        wrong("5.12", part(0, "non-continuation payload") + whole),
        wrong("5.15", part(1, "fragment1") + end + part(0, "fragment3") + text("fragment4"), both,
              both),
        wrong("5.16", part(0, "fragment1") + part(1, "fragment2") + frame(0, "fragment3")),
        wrong("5.17", frame(0, "fragment1") + part(1, "fragment2") + frame(0, "fragment3")),
        wrong("5.18", part(1, "fragment1") + text("fragment2")),
        {"5.19", two_pings, echoed("text", five), pong + pong + echoed("text", five)},
        {"5.19 twice", two_pings + two_pings, echoed("text", five) + echoed("text", five),
         pong + pong + echoed("text", five) + pong + pong + echoed("text", five)},
    };
}

const std::string kosme = "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5";

std::vector<autobahn_case> text_frames() {
    const std::string hello =
        "Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4\xc3\xbc\xc3\xa0\xc3\xa1-UTF-8!!";
    const std::string bad = kosme + "\xed\xa0\x80" + "edited";
    std::vector<autobahn_case> cases = {
        good("6.1.1", "text", "", text("")),
        good("6.1.2", "text", "", part(1, "") + part(0, "") + frame(0, "")),
        good("6.1.3", "text", "middle", part(1, "") + part(0, "middle") + frame(0, "")),
        good("6.2.1", "text", hello, text(hello)),
        good("6.2.2", "text", hello, part(1, hello.substr(0, 12)) + frame(0, hello.substr(12))),
        good("6.2.3", "text", hello, in_fragments(1, hello, 1)),
        good("6.2.4", "text", kosme, in_fragments(1, kosme, 1)),
        {"6.3.1", text(bad), utf8_got, utf8_sent},
        {"6.3.2", in_fragments(1, bad, 1), utf8_got, utf8_sent},
        // Another message's end does not complete this one's character.
        {"6, cut", text("\xce") + text("\xba"), utf8_got, utf8_sent},
        {"6, cut in fragments", part(1, "\xce") + frame(0, ""), utf8_got, utf8_sent},
        good("6, binary", "binary", "\xce", binary("\xce")),
    };
    struct sequences {
        const char* id;
        bool valid;
        std::vector<std::string> all;
    };
    for (const sequences& group : {
             sequences{
                 "6.5", true, {kosme.substr(0, 2), kosme.substr(0, 5), kosme.substr(0, 7), kosme}},
             {"6.6",
              false,
              {"\xce", kosme.substr(0, 3), kosme.substr(0, 4), kosme.substr(0, 6),
               kosme.substr(0, 8), kosme.substr(0, 10)}},
             {"6.7", true, {"\0"s, "\xc2\x80", "\xe0\xa0\x80", "\xf0\x90\x80\x80"}},
             {"6.8", false, {"\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80"}},
             {"6.9", true, {"\x7f", "\xdf\xbf", "\xef\xbf\xbf", "\xf4\x8f\xbf\xbf"}},
             {"6.10",
              false,
              {"\xf7\xbf\xbf\xbf", "\xfb\xbf\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf\xbf"}},
             {"6.11", true, {"\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbd", "\xf4\x8f\xbf\xbf"}},
             {"6.11.5", false, {"\xf4\x90\x80\x80"}},
             {"6.12",
              false,
              {"\x80", "\xbf", "\x80\xbf", "\x80\xbf\x80", "\x80\xbf\x80\xbf\x80\xbf\x80"}},
             {"6.13", false, {"\xc0 \xc1 ", "\xc2 ", "\xe0 \xe1 ", "\xf0 \xf1 ", "\xf8 ", "\xfc "}},
             {"6.14",
              false,
              {"\xc0", "\xe0\x80", "\xf0\x80\x80", "\xf8\x80\x80\x80", "\xdf", "\xef\xbf",
               "\xf7\xbf\xbf", "\xfb\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf"}},
             {"6.15", false, {"\xc0\xe0\x80\xf0\x80\x80\xf8\x80\x80\x80\xdf\xef\xbf\xf7\xbf\xbf"}},
             {"6.16", false, {"\xfe", "\xff", "\xfe\xfe\xff\xff"}},
             {"6.17",
              false,
              {"\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xf8\x80\x80\x80\xaf"}},
             {"6.18", false, {"\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf"}},
             {"6.19", false, {"\xc0\x80", "\xe0\x80\x80", "\xf0\x80\x80\x80"}},
             {"6.20",
              false,
              {"\xed\xa0\x80", "\xed\xad\xbf", "\xed\xae\x80", "\xed\xaf\xbf", "\xed\xb0\x80",
               "\xed\xbe\x80", "\xed\xbf\xbf"}},
             {"6.21", false, {"\xed\xa0\x80\xed\xb0\x80", "\xed\xaf\xbf\xed\xbf\xbf"}},
             {"6.22",
              true,
              {"\xef\xbf\xbe", "\xf0\x9f\xbf\xbe", "\xf0\x9f\xbf\xbf", "\xf4\x8f\xbf\xbe"}},
             {"6.23", true, {"\xef\xbf\xb9", "\xef\xbf\xbb", "\xef\xbf\xbc"}},
         }) {
        for (const std::string& each : group.all) {
            // Also behind so much ASCII that the quick way past it is taken.
            for (const std::string& before : {""s, std::string(67, 'a')}) {
                const std::string payload = before + each;
                if (group.valid) {
                    cases.push_back(good(group.id, "text", payload, text(payload)));
                    cases.push_back(good(group.id, "text", payload, in_fragments(1, payload, 1)));
                } else {
                    cases.push_back({group.id, text(payload), utf8_got, utf8_sent});
                    cases.push_back({group.id, in_fragments(1, payload, 1), utf8_got, utf8_sent});
                }
            }
        }
    }
    return cases;
}

std::vector<autobahn_case> closing() {
    const std::string hello = echoed("text", "Hello");
    const std::string by_client = "close 1000 by client:\n", answer = "close 1000\n";
    const std::string reason(123, '*'), big(256 * 1024, 'B');
    std::vector<autobahn_case> cases = {
        {"7.1.1", text("Hello") + close(1000), hello + by_client, hello + answer},
        {"7.1.2", close(1000) + close(1000), by_client, answer},
        {"7.1.3", close(1000) + ping("late"), by_client, answer},
        {"7.1.4", close(1000) + text("late"), by_client, answer},
        {"7.1.5", part(1, "fragment1") + close(1000) + frame(0, "fragment2"), by_client, answer},
        {"7.1.6", text(big) + text("Hello") + close(1000) + ping(""),
         echoed("text", big) + hello + by_client, echoed("text", big) + hello + answer},
        {"7.3.1", close(), "close 1005 by client:\n", "close\n"},
        wrong("7.3.2", frame(8, "a")),
        {"7.3.3", close(1000), by_client, answer},
        {"7.3.4", close(1000, "Hello, world!"), "close 1000 by client:Hello, world!\n", answer},
        {"7.3.5", close(1000, reason), "close 1000 by client:" + reason + "\n", answer},
        wrong("7.3.6", close(1000, reason + "*")),
        {"7.5.1", close(1000, kosme + "\xed\xa0\x80"), utf8_got, utf8_sent},
    };
    for (int code : {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000,
                     3999, 4000, 4999}) {
        const std::string number = std::to_string(code);
        cases.push_back({"7.7, " + number, close(code), "close " + number + " by client:\n",
                         "close " + number + "\n"});
    }
    for (int code : {0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535}) {
        cases.push_back(wrong("7.9 and 7.13, " + std::to_string(code), close(code)));
        cases.push_back(wrong("7.9, " + std::to_string(code), close(code, "reason")));
    }
    return cases;
}

std::string various(std::size_t size) {
    std::string bytes(size, '\0');
    std::uint32_t state = 1;
    for (char& c : bytes) {
        state = state * 1664525 + 1013904223;
        c = static_cast<char>(' ' + (state >> 24) % 95);
    }
    return bytes;
}

std::vector<autobahn_case> large() {
    std::vector<autobahn_case> cases;
    for (std::size_t kib : {64, 256, 1024, 4096}) {
        const std::string payload = various(kib * 1024);
        cases.push_back(good("9.1", "text", payload, text(payload)));
        cases.push_back(good("9.2", "binary", payload, binary(payload)));
    }
    const std::string payload = various(512 * 1024);
    for (std::size_t size : {64, 256, 1024, 4096, 16384, 65536, 262144}) {
        cases.push_back(good("9.3", "text", payload, in_fragments(1, payload, size)));
        cases.push_back(good("9.4", "binary", payload, in_fragments(2, payload, size)));
    }
    std::string many, lines;
    for (int i = 0; i < 1000; ++i) {
        many += text(payload.substr(static_cast<std::size_t>(i), 64));
        lines += echoed("text", payload.substr(static_cast<std::size_t>(i), 64));
    }
    cases.push_back({"9.7", many, lines, lines});
    const std::string ten = various(65536);
    cases.push_back(good("10.1.1", "text", ten, in_fragments(1, ten, 1300)));
    return cases;
}

void check(const autobahn_case& each, const echo& server, const std::string& how) {
    ASSERT_EQ(server.got, each.got) << each.id << ", " << how;
    ASSERT_EQ(server.sent(), each.sent) << each.id << ", " << how;
    const bool ended = each.sent.contains("close");
    ASSERT_EQ(server.socket.at(), ended ? websocket::phase::closed : websocket::phase::open);
}

void play(const std::vector<autobahn_case>& cases) {
    const websocket_options options;
    for (const autobahn_case& each : cases) {
        const bool is_small = each.bytes.size() <= 400;
        std::vector<std::size_t> pieces = {each.bytes.size(), 997, 4096, 65536};
        if (each.bytes.size() <= 200'000) pieces.push_back(1);
        if (is_small) pieces.insert(pieces.end(), {2, 3, 7, 13});
        for (std::size_t piece : pieces) {
            echo server(options);
            feed_in_pieces(server, each.bytes, piece);
            ASSERT_NO_FATAL_FAILURE(check(each, server, "pieces of " + std::to_string(piece)));
        }
        for (std::size_t cut = 1; is_small && cut < each.bytes.size(); ++cut) {
            echo server(options);
            feed_in_pieces(server, std::string_view(each.bytes).substr(0, cut), cut);
            feed_in_pieces(server, std::string_view(each.bytes).substr(cut), each.bytes.size());
            ASSERT_NO_FATAL_FAILURE(check(each, server, "cut at " + std::to_string(cut)));
        }
    }
}

TEST(WebSocketAutobahn, Group1Framing) {
    play(framing());
}

TEST(WebSocketAutobahn, Group2PingsAndPongs) {
    play(pings());
}

TEST(WebSocketAutobahn, Group3ReservedBits) {
    play(reserved_bits());
}

TEST(WebSocketAutobahn, Group4Opcodes) {
    play(opcodes());
}

TEST(WebSocketAutobahn, Group5Fragmentation) {
    play(fragmentation());
}

TEST(WebSocketAutobahn, Group6Utf8) {
    play(text_frames());
}

TEST(WebSocketAutobahn, Group7Closing) {
    play(closing());
}

TEST(WebSocketAutobahn, Groups9And10LargeMessages) {
    play(large());
}

// 6.4: closed at the byte that can't be right, not at the end of the frame or message.
TEST(WebSocketAutobahn, Group6FailsAtTheFirstWrongByte) {
    struct row {
        std::string valid, invalid, rest;
    };
    for (const row& each : {
             row{kosme + "\xf4", "\x90",
                 "\x80\x80"
                 "edited"},
             row{kosme, "\xff", "edited"},
             row{kosme + "\xed", "\xa0", "\x80"},
             row{kosme + "\xe0", "\x9f", "\xbf"},
             row{std::string(5000, 'a') + "\xf0\x90", "a", "b"},
         }) {
        const websocket_options options;
        const std::string all = each.valid + each.invalid + each.rest;
        // One frame, cut around the wrong byte.
        const std::string bytes = text(all);
        const std::size_t at = bytes.size() - each.rest.size() - 1;
        echo whole(options);
        whole.feed(std::string_view(bytes).substr(0, at));
        EXPECT_EQ(whole.got, "");
        EXPECT_EQ(whole.socket.at(), websocket::phase::open);
        whole.feed(std::string_view(bytes).substr(at, 1));
        EXPECT_EQ(whole.got, utf8_got);
        EXPECT_EQ(whole.sent(), utf8_sent);
        // Three fragments.
        echo fragments(options);
        fragments.feed(part(1, each.valid));
        EXPECT_EQ(fragments.socket.at(), websocket::phase::open);
        fragments.feed(part(0, each.invalid));
        EXPECT_EQ(fragments.got, utf8_got);
    }
}

}  // namespace
}  // namespace allcores::http
