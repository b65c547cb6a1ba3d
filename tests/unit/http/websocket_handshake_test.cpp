#include "http/websocket_handshake.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace allcores::http {
namespace {

using kind = websocket_handshake::kind;
using fields = std::vector<field>;

const fields sample = {
    {"Host", "server.example.com"},  {"Upgrade", "websocket"},
    {"Connection", "Upgrade"},       {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="},
    {"Sec-WebSocket-Version", "13"},
};

websocket_handshake parse(const fields& headers, const deflate_options& options = {},
                          std::string_view method = "GET", std::uint8_t minor = 1) {
    const peer client{"127.0.0.1", 1};
    const request asked{.method = method,
                        .target = "/chat",
                        .path = "/chat",
                        .query = {},
                        .method_number = 1,
                        .headers = headers,
                        .body = {},
                        .major = 1,
                        .minor = minor,
                        .keep_alive = true,
                        .client = client};
    return websocket_handshake::parse(asked, options);
}

fields with(std::string_view name, std::string_view value) {
    fields headers = sample;
    headers.push_back({name, value});
    return headers;
}

fields instead(std::string_view name, std::string_view value) {
    fields headers = sample;
    for (field& each : headers) {
        if (each.name == name) each.value = value;
    }
    return headers;
}

fields without(std::string_view name) {
    fields headers = sample;
    std::erase_if(headers, [&](const field& each) { return each.name == name; });
    return headers;
}

std::string answer_of(const websocket_handshake& refused) {
    response answer;
    refused.refuse(answer);
    return std::to_string(answer.status()) + " " + answer.fields();
}

// RFC 6455 section 1.3.
TEST(WebSocketHandshake, TheSampleOfTheStandard) {
    const websocket_handshake shake = parse(sample);
    ASSERT_EQ(shake.what(), kind::valid);
    EXPECT_EQ(shake.fields(),
              "Upgrade: websocket\r\nConnection: Upgrade\r\n"
              "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n");
    EXPECT_TRUE(shake.subprotocols().empty());
    EXPECT_FALSE(shake.deflate().enabled);
}

TEST(WebSocketHandshake, ListsAndCases) {
    EXPECT_EQ(parse(instead("Connection", "keep-alive, Upgrade")).what(), kind::valid);
    EXPECT_EQ(parse(instead("Connection", "upgrade")).what(), kind::valid);
    EXPECT_EQ(parse(instead("Upgrade", "WebSocket")).what(), kind::valid);
    EXPECT_EQ(parse(instead("Upgrade", ", h2c,\twebsocket")).what(), kind::valid);
    EXPECT_EQ(parse(with("connection", "close")).what(), kind::valid);
}

TEST(WebSocketHandshake, OtherRequests) {
    EXPECT_EQ(parse({}).what(), kind::none);
    EXPECT_EQ(parse(without("Upgrade")).what(), kind::none);
    EXPECT_EQ(parse(instead("Upgrade", "h2c")).what(), kind::none);
    EXPECT_EQ(parse(instead("Upgrade", "websockets")).what(), kind::none);
    EXPECT_EQ(parse(sample, {}, "GET", 0).what(), kind::none);
}

TEST(WebSocketHandshake, Refused) {
    for (const fields& headers : {
             without("Connection"),
             instead("Connection", "keep-alive"),
             without("Sec-WebSocket-Key"),
             instead("Sec-WebSocket-Key", ""),
             instead("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ"),
             instead("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==AAAA"),
             instead("Sec-WebSocket-Key", "not base64 not base64 =="),
             with("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
             without("Sec-WebSocket-Version"),
             with("Sec-WebSocket-Version", "13"),
             with("Sec-WebSocket-Protocol", "a b"),
             with("Sec-WebSocket-Protocol", "chat, chat"),
             with("Sec-WebSocket-Extensions", "permessage-deflate; ="),
             with("Sec-WebSocket-Extensions", "permessage-deflate;"),
             with("Sec-WebSocket-Extensions", "permessage-deflate foo"),
             with("Sec-WebSocket-Extensions", "foo; bar=\"a b\""),
             with("Sec-WebSocket-Extensions", "foo; bar=\"a"),
             with("Sec-WebSocket-Extensions", "permessage-deflate, ;"),
         }) {
        const websocket_handshake shake = parse(headers);
        EXPECT_EQ(shake.what(), kind::refused) << headers.back().name << headers.back().value;
        EXPECT_EQ(answer_of(shake), "400 ");
    }
    EXPECT_EQ(answer_of(parse(sample, {}, "POST")), "400 ");
    for (const char* version : {"8", "12", "14", "", "013", "13, 8"}) {
        const websocket_handshake shake = parse(instead("Sec-WebSocket-Version", version));
        EXPECT_EQ(shake.what(), kind::refused);
        EXPECT_EQ(answer_of(shake), "426 Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n")
            << version;
    }
}

TEST(WebSocketHandshake, Subprotocols) {
    fields headers = with("Sec-WebSocket-Protocol", "chat,superchat , v2.json");
    headers.push_back({"sec-websocket-protocol", "last"});
    const websocket_handshake shake = parse(headers);
    ASSERT_EQ(shake.what(), kind::valid);
    EXPECT_EQ(shake.subprotocols(),
              (std::vector<std::string>{"chat", "superchat", "v2.json", "last"}));
    EXPECT_TRUE(shake.offers("v2.json"));
    EXPECT_FALSE(shake.offers("Chat"));
    EXPECT_TRUE(shake.fields("chat").ends_with("\r\nSec-WebSocket-Protocol: chat\r\n"));
    EXPECT_THROW((void)shake.fields("a\r\nb"), std::invalid_argument);
}

struct negotiation {
    std::string offer;
    std::string answer;  // after "permessage-deflate"; "none": no extension
};

void negotiate(const deflate_options& options, const std::vector<negotiation>& rows) {
    constexpr std::string_view name = "Sec-WebSocket-Extensions: permessage-deflate";
    for (const negotiation& each : rows) {
        const websocket_handshake shake =
            parse(with("Sec-WebSocket-Extensions", each.offer), options);
        ASSERT_EQ(shake.what(), kind::valid) << each.offer;
        const std::string answer = shake.fields();
        const std::size_t at = answer.find(name);
        EXPECT_EQ(shake.deflate().enabled, each.answer != "none") << each.offer;
        if (at == std::string::npos) {
            EXPECT_EQ(each.answer, "none") << each.offer;
        } else {
            EXPECT_EQ(answer.substr(at + name.size()), each.answer + "\r\n") << each.offer;
        }
    }
}

TEST(WebSocketHandshake, DeflateByDefault) {
    const std::string none = "; server_no_context_takeover; client_no_context_takeover";
    negotiate(
        {},
        {
            {"permessage-deflate", none},
            {"PerMessage-Deflate", none},
            {"permessage-deflate; client_max_window_bits", none},
            {"permessage-deflate; client_max_window_bits=15", none},
            {"permessage-deflate; client_max_window_bits=10", none + "; client_max_window_bits=10"},
            {"permessage-deflate; client_max_window_bits=\"8\"",
             none + "; client_max_window_bits=8"},
            {"permessage-deflate; server_max_window_bits=15", none + "; server_max_window_bits=15"},
            {"permessage-deflate ;server_max_window_bits=9; client_max_window_bits",
             none + "; server_max_window_bits=9"},
            {"permessage-deflate; server_no_context_takeover", none},
            {"foo, bar; x=\"y\"; z,, permessage-deflate", none},
            // An offer that can't be accepted, and the next.
            {"permessage-deflate; server_max_window_bits=8", "none"},
            {"permessage-deflate; server_max_window_bits=8, permessage-deflate", none},
            {"permessage-deflate; unknown, permessage-deflate; server_max_window_bits=12",
             none + "; server_max_window_bits=12"},
            {"permessage-deflate; server_max_window_bits", "none"},
            {"permessage-deflate; server_max_window_bits=16", "none"},
            {"permessage-deflate; server_max_window_bits=7", "none"},
            {"permessage-deflate; server_max_window_bits=010", "none"},
            {"permessage-deflate; client_max_window_bits=0", "none"},
            {"permessage-deflate; client_max_window_bits=1x", "none"},
            {"permessage-deflate; server_no_context_takeover=1", "none"},
            {"permessage-deflate; client_no_context_takeover; client_no_context_takeover", "none"},
            {"permessage-deflate; client_max_window_bits; client_max_window_bits=9", "none"},
            {"x-webkit-deflate-frame", "none"},
            {"permessage-bzip2", "none"},
            {"", "none"},
        });
    negotiate({.enabled = false}, {{"permessage-deflate", "none"}});
}

TEST(WebSocketHandshake, DeflateWithTakeoverAndSmallWindows) {
    const deflate_options options{
        .server_takeover = true, .client_takeover = true, .server_bits = 12, .client_bits = 11};
    negotiate(options,
              {
                  {"permessage-deflate", "; server_max_window_bits=12"},
                  {"permessage-deflate; client_max_window_bits",
                   "; server_max_window_bits=12; client_max_window_bits=11"},
                  {"permessage-deflate; server_max_window_bits=9; client_max_window_bits=15",
                   "; server_max_window_bits=9; client_max_window_bits=11"},
                  {"permessage-deflate; server_no_context_takeover",
                   "; server_no_context_takeover; server_max_window_bits=12"},
                  {"permessage-deflate; client_no_context_takeover",
                   "; client_no_context_takeover; server_max_window_bits=12"},
              });
    // A client that did not offer to use a smaller window uses the largest.
    EXPECT_EQ(parse(with("Sec-WebSocket-Extensions", "permessage-deflate"), options)
                  .deflate()
                  .client_bits,
              15);
}

TEST(WebSocketHandshake, DeflateCanBeDeclinedLater) {
    websocket_handshake shake = parse(with("Sec-WebSocket-Extensions", "permessage-deflate"));
    EXPECT_TRUE(shake.deflate().enabled);
    shake.decline_deflate();
    EXPECT_FALSE(shake.fields().contains("Extensions"));
}

}  // namespace
}  // namespace allcores::http
