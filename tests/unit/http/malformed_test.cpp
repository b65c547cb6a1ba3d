// Requests that must be refused: what status each gets, and that the connection is closed after it.
#include <gtest/gtest.h>

#include <ostream>
#include <string>

#include "server_fixture.h"

namespace allcores::http::testing {
namespace {

struct refused_case {
    const char* name;
    std::string bytes;
    int status;
};

void PrintTo(const refused_case& one, std::ostream* out) {
    *out << one.name;
}

const std::string head = "GET / HTTP/1.1\r\nHost: a\r\n";
const std::string post = "POST / HTTP/1.1\r\nHost: a\r\n";

const refused_case refused_cases[] = {
    {"Garbage", "\x16\x03\x01 hello\r\n\r\n", 400},
    {"NoMethod", " / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"UnknownMethod", "BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501},
    {"LowerCaseMethod", "get / HTTP/1.1\r\nHost: a\r\n\r\n", 501},
    {"LongerMethod", "GETS / HTTP/1.1\r\nHost: a\r\n\r\n", 501},
    {"MethodWithControl", "GE\x01T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"MethodOfRtsp", "PLAY / HTTP/1.1\r\nHost: a\r\n\r\n", 501},
    {"Connect", "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 501},
    {"Http2Preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
    {"NoVersion", "GET /\r\nHost: a\r\n\r\n", 505},
    {"Version09", "GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505},
    {"Version12", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505},
    {"Version20", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
    {"Version30", "GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505},
    {"VersionNotANumber", "GET / HTTP/x.y\r\nHost: a\r\n\r\n", 400},
    {"OtherProtocol", "GET / HTPP/1.1\r\nHost: a\r\n\r\n", 400},
    {"SpaceInTarget", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"FragmentInTarget", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"RelativeTarget", "GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"AsteriskWithGet", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"AuthorityWithGet", "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"UnknownScheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"UserInTarget", "GET http://me@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"NulInTarget", std::string("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", 29), 400},
    {"BareLf", "GET / HTTP/1.1\nHost: a\n\n", 400},
    {"BareLfAfterField", "GET / HTTP/1.1\r\nHost: a\n\r\n", 400},
    {"BareCr", "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", 400},
    {"NoHost", "GET / HTTP/1.1\r\n\r\n", 400},
    {"TwoHosts", head + "Host: a\r\n\r\n", 400},
    {"TwoHostsIn10", "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400},
    {"HostWithPath", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
    {"HostWithUser", "GET / HTTP/1.1\r\nHost: me@a\r\n\r\n", 400},
    {"FoldedField", head + "X: a\r\n b\r\n\r\n", 400},
    {"FoldedFirstField", "GET / HTTP/1.1\r\n X: a\r\nHost: a\r\n\r\n", 400},
    {"SpaceBeforeColon", head + "X : a\r\n\r\n", 400},
    {"FieldWithoutName", head + ": a\r\n\r\n", 400},
    {"FieldWithoutColon", head + "X\r\n\r\n", 400},
    {"ControlInName", head + "X\x01: a\r\n\r\n", 400},
    {"ControlInValue", head + "X: a\x01\r\n\r\n", 400},
    {"NulInValue", head + std::string("X: \0\r\n\r\n", 8), 400},
    {"LengthNotANumber", post + "Content-Length: x\r\n\r\n", 400},
    {"LengthNegative", post + "Content-Length: -1\r\n\r\n", 400},
    {"LengthSigned", post + "Content-Length: +1\r\n\r\na", 400},
    {"LengthHex", post + "Content-Length: 0x1\r\n\r\na", 400},
    {"LengthTooLong", post + "Content-Length: 99999999999999999999999\r\n\r\n", 400},
    {"LengthList", post + "Content-Length: 1, 1\r\n\r\na", 400},
    {"LengthEmpty", post + "Content-Length: \r\n\r\n", 400},
    {"LengthTwice", post + "Content-Length: 1\r\nContent-Length: 1\r\n\r\na", 400},
    {"LengthsDiffer", post + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400},
    {"LengthAndCoding", post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     400},
    {"CodingAndLength", post + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
     400},
    {"CodingIn10", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
    {"UnknownCoding", post + "Transfer-Encoding: gzip\r\n\r\n", 501},
    {"CodingBeforeChunked", post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
    {"CodingAfterChunked", post + "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 400},
    {"CodingIdentity", post + "Transfer-Encoding: identity\r\n\r\n", 501},
    {"CodingDisguised", post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501},
    {"ChunkSizeNotHex", post + "Transfer-Encoding: chunked\r\n\r\nx\r\n", 400},
    {"ChunkSizeEmpty", post + "Transfer-Encoding: chunked\r\n\r\n\r\n", 400},
    {"ChunkSizeTooLong", post + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", 400},
    {"ChunkSizeWithSpace", post + "Transfer-Encoding: chunked\r\n\r\n1 \r\na\r\n", 400},
    {"ChunkWithBareLf", post + "Transfer-Encoding: chunked\r\n\r\n1\na\n0\n\n", 400},
    {"ChunkWithoutEnd", post + "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", 400},
    {"UnknownExpectation", post + "Expect: miracles\r\nContent-Length: 1\r\n\r\n", 417},
};

class Refused : public ::testing::TestWithParam<refused_case> {};

std::string keep_alive_request() {
    return "GET /before HTTP/1.1\r\nHost: a\r\n\r\n";
}

TEST_P(Refused, GetsItsStatusAndIsClosed) {
    running_server server;
    client one(*server);
    one.send(GetParam().bytes);
    reply answer = one.read();
    EXPECT_EQ(answer.status, GetParam().status) << answer.head;
    EXPECT_EQ(answer.header("Connection"), "close");
    EXPECT_TRUE(answer.body.starts_with(std::to_string(GetParam().status)));
    one.end_sending();
    EXPECT_TRUE(one.at_end());
    EXPECT_EQ(server.total().requests, 0u);
}

TEST_P(Refused, BehindAGoodRequestAndByteByByte) {
    running_server server;
    client one(*server);
    one.send(keep_alive_request());
    EXPECT_EQ(one.read().body, "GET /before? []");
    for (char byte : GetParam().bytes) {
        if (!one.send({&byte, 1})) break;
    }
    EXPECT_EQ(one.read().status, GetParam().status);
    one.end_sending();
    EXPECT_TRUE(one.at_end());
}

INSTANTIATE_TEST_SUITE_P(Http, Refused, ::testing::ValuesIn(refused_cases),
                         [](const auto& info) { return std::string(info.param.name); });

// What is written before the error is answered before the error.
TEST(Malformed, RepliesOfTheSameReadComeFirst) {
    running_server server;
    client one(*server);
    one.send(keep_alive_request() + keep_alive_request() + "BAD\r\n\r\n");
    EXPECT_EQ(one.read().status, 200);
    EXPECT_EQ(one.read().status, 200);
    EXPECT_EQ(one.read().status, 400);
    one.end_sending();
    EXPECT_TRUE(one.at_end());
}

}  // namespace
}  // namespace allcores::http::testing
