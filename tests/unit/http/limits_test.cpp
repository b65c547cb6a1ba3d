// What the limits refuse, what the timeouts close, and that neither touches what is within them.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <string>
#include <vector>

#include "server_fixture.h"

namespace allcores::http::testing {
namespace {

const std::string host = "Host: test\r\n";

http::limits small() {
    http::limits limits;
    limits.max_header_bytes = 1000;
    limits.max_headers = 10;
    limits.max_target = 100;
    limits.max_body_bytes = 1000;
    return limits;
}

void expect_refused(const std::string& bytes, int status) {
    running_server server(echo, small());
    client one(*server);
    one.send(bytes);
    reply answer = one.read();
    EXPECT_EQ(answer.status, status);
    EXPECT_EQ(answer.header("Connection"), "close");
    one.end_sending();
    EXPECT_TRUE(one.at_end());
}

void expect_served(const std::string& bytes) {
    running_server server(echo, small());
    client one(*server);
    one.send(bytes);
    EXPECT_EQ(one.read().status, 200);
    EXPECT_EQ(one.get("/next").status, 200);
}

std::string with_target(std::size_t size) {
    return "GET /" + std::string(size - 1, 'a') + " HTTP/1.1\r\n" + host + "\r\n";
}

std::string with_fields(int count) {
    std::string text = "GET / HTTP/1.1\r\n" + host;
    for (int i = 1; i < count; ++i) text += "X: y\r\n";
    return text + "\r\n";
}

std::string with_body(std::size_t size) {
    return "POST / HTTP/1.1\r\n" + host + "Content-Length: " + std::to_string(size) + "\r\n\r\n" +
           std::string(size, 'b');
}

TEST(Limits, Target) {
    expect_served(with_target(100));
    expect_refused(with_target(101), 414);
    expect_refused("GET /" + std::string(50'000, 'a'), 414);
}

TEST(Limits, NumberOfFields) {
    expect_served(with_fields(10));
    expect_refused(with_fields(11), 431);
}

TEST(Limits, SizeOfHead) {
    expect_served("GET / HTTP/1.1\r\n" + host + "X: " + std::string(900, 'v') + "\r\n\r\n");
    expect_refused("GET / HTTP/1.1\r\n" + host + "X: " + std::string(1000, 'v') + "\r\n\r\n", 431);
    expect_refused("GET / HTTP/1.1\r\n" + host + std::string(1000, 'n') + ": v\r\n\r\n", 431);
    expect_refused("GET / HTTP/1.1\r\n" + host + "X:" + std::string(2000, ' '), 431);
}

TEST(Limits, Body) {
    expect_served(with_body(1000));
    expect_refused(with_body(1001), 413);
    std::string chunked = "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n";
    std::string chunk = "1f4\r\n" + std::string(500, 'c') + "\r\n";
    expect_served(chunked + chunk + chunk + "0\r\n\r\n");
    expect_refused(chunked + chunk + chunk + "1\r\nc\r\n0\r\n\r\n", 413);
    expect_refused(chunked + "ffffffffffff\r\n", 413);
    // Declared, so refused before it is awaited.
    expect_refused(
        "POST / HTTP/1.1\r\n" + host + "Expect: 100-continue\r\nContent-Length: 1001\r\n\r\n", 413);
}

TEST(Limits, TrailersAndChunkExtensions) {
    std::string chunked = "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n";
    expect_refused(chunked + "1;" + std::string(1001, 'e') + "\r\nc\r\n0\r\n\r\n", 431);
    expect_refused(chunked + "0\r\nX: " + std::string(1001, 't') + "\r\n\r\n", 431);
    expect_served(chunked + "1;" + std::string(400, 'e') +
                  "\r\nc\r\n0\r\nX: " + std::string(400, 't') + "\r\n\r\n");
}

// A client that is still sending when it is refused reads the refusal, not a reset.
TEST(Limits, TheRefusalReachesAClientThatSendsOn) {
    running_server server(echo, small());
    client one(*server);
    std::string block(100'000, 'b');
    one.send("POST / HTTP/1.1\r\n" + host + "Content-Length: 30000000\r\n\r\n");
    for (int i = 0; i < 300; ++i) ASSERT_TRUE(one.send(block));
    EXPECT_EQ(one.read().status, 413);
    one.end_sending();
    EXPECT_TRUE(one.at_end());
}

TEST(Limits, ConnectionsBeyondTheLimitAreToldSo) {
    http::limits limits;
    limits.max_connections = 2;
    running_server server(echo, limits);
    client one(*server), two(*server);
    EXPECT_EQ(one.get("/").status, 200);
    EXPECT_EQ(two.get("/").status, 200);
    client three(*server);
    EXPECT_EQ(three.read().status, 503);
    three.end_sending();
    EXPECT_TRUE(three.at_end());
    EXPECT_EQ(one.get("/").status, 200);
    two.close();
    ASSERT_TRUE(becomes_true([&] { return server->open_connections() == 1; }));
    client four(*server);
    EXPECT_EQ(four.get("/").status, 200);
}

TEST(Limits, MoreConnectionsThanRefusalsCanBeTold) {
    http::limits limits;
    limits.max_connections = 1;
    running_server server(echo, limits);
    std::vector<std::unique_ptr<client>> many;
    for (int i = 0; i < 200; ++i) many.push_back(std::make_unique<client>(*server));
    int served = 0;
    for (auto& each : many) {
        try {
            each->send("GET / HTTP/1.1\r\n" + host + "\r\n");
            if (each->read().status == 200) ++served;
        } catch (const std::runtime_error&) {  // closed without a word
        }
    }
    EXPECT_LE(served, 1);
    many.clear();
    ASSERT_TRUE(becomes_true([&] { return server->open_connections() == 0; }));
    client one(*server);
    EXPECT_EQ(one.get("/").status, 200);
}

TEST(Timeouts, ARequestThatDoesNotEndGets408) {
    http::limits limits;
    limits.header_timeout_ms = 20;
    running_server server(echo, limits);
    client one(*server);
    one.send("GET / HTTP/1.1\r\nHo");
    EXPECT_EQ(one.read().status, 408);
    one.end_sending();
    EXPECT_TRUE(one.at_end());
    EXPECT_EQ(server.total().timeouts, 1u);
}

// Its going away and its time being over are both news to the worker, and the clock's comes first.
TEST(Timeouts, AClientThatGoesAwayAsItsTimeIsOverIsClosedOnce) {
    using clock = std::chrono::steady_clock;
    http::limits limits;
    limits.header_timeout_ms = 40;
    std::atomic<bool> is_in{false}, may_go{false};
    running_server server(
        [&](const request& request, response& response) {
            is_in = true;
            if (request.path == "/wait") EXPECT_TRUE(becomes_true([&] { return may_go.load(); }));
            echo(request, response);
        },
        limits, 1);
    const auto passed = [began = clock::now()](int ms) {
        return [=] { return clock::now() > began + std::chrono::milliseconds(ms); };
    };
    client other(*server), slow(*server);
    EXPECT_EQ(other.get("/").status, 200);
    is_in = false;
    const auto bytes = server.total().bytes_received;
    slow.send("GET / HT");
    ASSERT_TRUE(becomes_true([&] { return server.total().bytes_received == bytes + 8; }));
    other.send("GET /wait HTTP/1.1\r\n" + host + "\r\n");
    ASSERT_TRUE(becomes_true([&] { return is_in.load(); }));
    ASSERT_TRUE(becomes_true(passed(50)));  // a tick of the server's clock, which nobody hears yet
    slow.close();
    ASSERT_TRUE(becomes_true(passed(500)));
    may_go = true;
    EXPECT_EQ(other.read().status, 200);
    ASSERT_TRUE(becomes_true([&] { return server.total().connections_closed > 0; }));
    EXPECT_EQ(other.get("/").status, 200);
    EXPECT_EQ(server.total().connections_closed, 1u);
    EXPECT_EQ(server->open_connections(), 1u);
}

TEST(Timeouts, HeadersThatTrickleGet408) {
    http::limits limits;
    limits.header_timeout_ms = 500;
    limits.max_headers = 1'000'000;
    limits.max_header_bytes = 1'000'000'000;
    running_server server(echo, limits);
    client one(*server);
    one.send("GET / HTTP/1.1\r\n");
    // Keeps sending until the server has had enough, however long that takes.
    ASSERT_TRUE(becomes_true([&] {
        one.send("X: y\r\n");
        return server.total().timeouts == 1;
    }));
    EXPECT_EQ(one.read().status, 408);
}

TEST(Timeouts, ABodyThatDoesNotComeGets408) {
    http::limits limits;
    limits.body_timeout_ms = 20;
    running_server server(echo, limits);
    client one(*server);
    one.send("POST / HTTP/1.1\r\n" + host + "Content-Length: 5\r\n\r\nab");
    EXPECT_EQ(one.read().status, 408);
    one.end_sending();
    EXPECT_TRUE(one.at_end());
}

// Every byte is progress, and yet it comes to an end.
TEST(Timeouts, ABodyThatDripsGets408) {
    http::limits limits;
    limits.body_timeout_ms = 300;
    limits.min_body_rate = 1'000'000'000;
    limits.max_body_bytes = 1'000'000'000;
    for (std::string framing :
         {"Content-Length: 999999999\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n3b9ac9ff\r\n"}) {
        running_server server(echo, limits);
        client one(*server), other(*server);
        one.send("POST / HTTP/1.1\r\n" + host + framing);
        // Keeps sending until the server has had enough, however long that takes.
        ASSERT_TRUE(becomes_true([&] {
            one.send("x");
            return server.total().timeouts == 1;
        }));
        EXPECT_EQ(one.read().status, 408);
        EXPECT_EQ(other.get("/").status, 200);
        one.end_sending();
        EXPECT_TRUE(one.at_end());
    }
}

// Times in milliseconds, so no clock is needed to see what a rate allows.
TEST(Timeouts, ABodyThatComesFastEnoughHasTheTimeItTakes) {
    http::limits limits;
    limits.body_timeout_ms = 30'000;
    limits.min_body_rate = 500;
    EXPECT_EQ(body_deadline(limits, 1000, 1000, 0), 31'000u);
    // A drip of one byte in ten seconds: soon every next one is too late.
    EXPECT_EQ(body_deadline(limits, 1000, 11'000, 1), 31'002u);
    EXPECT_EQ(body_deadline(limits, 1000, 31'000, 3), 31'006u);
    // At the least rate the time left between two parts stays whole, above it too.
    EXPECT_EQ(body_deadline(limits, 1000, 601'000, 300'000), 631'000u);
    EXPECT_EQ(body_deadline(limits, 1000, 601'000, 30'000'000), 631'000u);
    // What came early may be made up for by pauses, but none is longer than the timeout.
    EXPECT_EQ(body_deadline(limits, 1000, 2000, 1'000'000), 32'000u);
    limits.min_body_rate = 0;
    EXPECT_EQ(body_deadline(limits, 1000, 601'000, 60), 631'000u);
}

// Each body has its own time, also on a connection that is never between two requests.
TEST(Timeouts, EachBodyIsMeasuredAnew) {
    using clock = std::chrono::steady_clock;
    constexpr auto timeout = std::chrono::milliseconds(300);
    http::limits limits;
    limits.body_timeout_ms = timeout.count();
    limits.min_body_rate = 1'000'000'000;
    running_server server(echo, limits);
    client one(*server);
    std::string begin = "POST / HTTP/1.1\r\n" + host + "Content-Length: 4\r\n\r\nab";
    auto first = clock::now(), began = first;
    one.send(begin);
    while (clock::now() < first + 2 * timeout) {
        auto next = clock::now();
        one.send("cd" + begin);
        if (one.read().status != 200) {  // right only if this machine made us be late
            EXPECT_GE(clock::now() - began, timeout);
            return;
        }
        began = next;
    }
    EXPECT_EQ(server.total().timeouts, 0u);
}

TEST(Timeouts, IdleConnectionsAreClosedWithoutAWord) {
    http::limits limits;
    limits.keep_alive_timeout_ms = 20;
    running_server server(echo, limits);
    client used(*server), unused(*server);
    EXPECT_EQ(used.get("/").status, 200);
    EXPECT_TRUE(used.at_end());
    EXPECT_TRUE(unused.at_end());
    EXPECT_TRUE(becomes_true([&] { return server->open_connections() == 0; }));
}

TEST(Timeouts, AClientThatDoesNotReadIsClosed) {
    http::limits limits;
    limits.send_timeout_ms = 30;
    static const std::string large(20'000'000, 'x');
    running_server server(
        [](const request&, response& response) { response.permanent_body(large); }, limits);
    client one(*server, 4096);
    one.send("GET / HTTP/1.1\r\n" + host + "\r\n");
    EXPECT_TRUE(becomes_true([&] { return server.total().connections_closed == 1; }));
}

TEST(Timeouts, ALingeringClientIsNotWaitedForLong) {
    http::limits limits;
    limits.linger_timeout_ms = 20;
    running_server server(echo, limits);
    client one(*server);
    one.send("BAD\r\n\r\n");
    EXPECT_EQ(one.read().status, 400);
    EXPECT_TRUE(becomes_true([&] { return server->open_connections() == 0; }));
}

// Descriptors run out: whoever connects then is turned away at once, and once there are some again
// all is as before.
TEST(Limits, OutOfDescriptors) {
    running_server server;
    client before(*server);
    EXPECT_EQ(before.get("/").status, 200);
    net::descriptor waiting(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    std::vector<net::descriptor> all;
    rlimit old;
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &old), 0);
    rlimit low = old;
    low.rlim_cur = 256;
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
    for (;;) {
        net::descriptor one(::dup(0));
        if (!one) break;
        all.push_back(std::move(one));
    }
    net::address to = server->addresses()[0];
    ASSERT_EQ(::connect(waiting.get(), to.get(), to.size()), 0);
    char byte;
    EXPECT_EQ(::recv(waiting.get(), &byte, 1, 0), 0);  // closed
    EXPECT_EQ(before.get("/").status, 200);
    all.clear();
    ::setrlimit(RLIMIT_NOFILE, &old);
    client after(*server);
    EXPECT_EQ(after.get("/").status, 200);
}

}  // namespace
}  // namespace allcores::http::testing
