// Well-formed requests over real sockets: framing, keep-alive, pipelining, bodies, and what the
// application sees.
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <vector>

#include "server_fixture.h"

namespace allcores::http::testing {
namespace {

const std::string host = "Host: test\r\n";

TEST(Requests, KeepAliveServesManyOnOneConnection) {
    running_server server;
    client one(*server);
    for (int i = 0; i < 100; ++i) {
        reply answer = one.get("/a?b=" + std::to_string(i));
        EXPECT_EQ(answer.status, 200);
        EXPECT_EQ(answer.body, "GET /a?b=" + std::to_string(i) + " []");
        EXPECT_EQ(answer.header("Server"), "test");
        EXPECT_EQ(answer.header("Content-Type"), "text/plain");
        EXPECT_EQ(answer.header("Date").size(), 29u);
        EXPECT_EQ(answer.header("Connection"), "");
    }
    EXPECT_EQ(server.total().connections_accepted, 1u);
}

TEST(Requests, TheApplicationSeesEverything) {
    std::string seen;
    running_server server(
        [&](const request& request, response& response) {
            seen = std::string(request.method) + "|" + std::string(request.target) + "|" +
                   std::string(request.path) + "|" + std::string(request.query) + "|";
            for (const field& each : request.headers) {
                seen += std::string(each.name) + "=" + std::string(each.value) + ";";
            }
            seen += "|" + std::string(request.body) + "|" + std::to_string(request.major) +
                    std::to_string(request.minor) + (request.keep_alive ? "+" : "-");
            EXPECT_EQ(request.header("x-empty").data() == nullptr, false);
            EXPECT_EQ(request.header("x-none").data(), nullptr);
            EXPECT_EQ(request.header("x-two"), "1");
            EXPECT_EQ(request.client.host, "127.0.0.1");
            EXPECT_GT(request.client.port, 0);
            response.status(204);
        },
        {}, 1);
    client one(*server);
    one.send(
        "PUT http://test:80/p/q?r=s HTTP/1.1\r\nHost: test \t\r\nX-Empty:\r\nX-Two:  1\r\n"
        "x-two: 2\r\nContent-Length: 4\r\n\r\nbody");
    reply answer = one.read();
    EXPECT_EQ(answer.status, 204);
    EXPECT_EQ(answer.header("Content-Length"), "");
    EXPECT_EQ(seen,
              "PUT|http://test:80/p/q?r=s|/p/q|r=s|Host=test;X-Empty=;X-Two=1;x-two=2;"
              "Content-Length=4;|body|11+");
}

TEST(Requests, TargetsOfOtherForms) {
    running_server server;
    client one(*server);
    one.send("OPTIONS * HTTP/1.1\r\n" + host + "\r\n");
    EXPECT_EQ(one.read().body, "OPTIONS *? []");
    one.send("GET http://other HTTP/1.1\r\n" + host + "\r\n");
    EXPECT_EQ(one.read().body, "GET /? []");
    one.send("GET /?? HTTP/1.1\r\n" + host + "\r\n");
    EXPECT_EQ(one.read().body, "GET /?? []");
}

TEST(Requests, UpgradeIsDeclinedByAnsweringNormally) {
    running_server server;
    client one(*server);
    one.send("GET /a HTTP/1.1\r\n" + host + "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    EXPECT_EQ(one.read().body, "GET /a? []");
    EXPECT_EQ(one.get("/b").body, "GET /b? []");
}

TEST(Requests, Http10AndClose) {
    running_server server;
    {
        client one(*server);
        one.send("GET / HTTP/1.0\r\n\r\n");
        reply answer = one.read();
        EXPECT_EQ(answer.status, 200);
        EXPECT_EQ(answer.header("Connection"), "close");
        EXPECT_TRUE(one.at_end());
    }
    {
        client one(*server);
        one.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        EXPECT_EQ(one.read().header("Connection"), "keep-alive");
        one.send("GET / HTTP/1.0\r\n\r\n");
        EXPECT_EQ(one.read().header("Connection"), "close");
        EXPECT_TRUE(one.at_end());
    }
    {
        client one(*server);
        one.send("GET /1 HTTP/1.1\r\n" + host + "Connection: close\r\n\r\nGET /2 HTTP/1.1\r\n" +
                 host + "\r\n");
        EXPECT_EQ(one.read().body, "GET /1? []");
        one.end_sending();
        EXPECT_TRUE(one.at_end());
    }
}

TEST(Requests, HeadHasTheLengthAndNoBody) {
    running_server server;
    client one(*server);
    one.send("HEAD /a HTTP/1.1\r\n" + host + "\r\n");
    reply answer = one.read(false);
    EXPECT_EQ(answer.header("Content-Length"), "11");
    EXPECT_EQ(one.get("/next").body, "GET /next? []");
}

TEST(Requests, StatusesWithoutBody) {
    running_server server([](const request& request, response& response) {
        response.status(request.path == "/204" ? 204 : request.path == "/304" ? 304 : 205);
        response.body("must not be sent");
    });
    client one(*server);
    EXPECT_EQ(one.get("/204").head.find("Content-Length"), std::string::npos);
    EXPECT_EQ(one.get("/304").head.find("Content-Length"), std::string::npos);
    EXPECT_EQ(one.get("/205").header("Content-Length"), "0");
    EXPECT_EQ(one.get("/204").status, 204);
}

TEST(Requests, ChunkedBodiesWithTrailersAndExtensions) {
    running_server server;
    client one(*server);
    one.send("POST /a HTTP/1.1\r\n" + host +
             "Transfer-Encoding: Chunked\r\nTrailer: X\r\n\r\n"
             "3;name=value\r\nabc\r\nA\r\ndefghijklm\r\n0\r\nX: y\r\n\r\n"
             "GET /b HTTP/1.1\r\n" +
             host + "\r\n");
    EXPECT_EQ(one.read().body, "POST /a? [abcdefghijklm]");
    EXPECT_EQ(one.read().body, "GET /b? []");
}

// Requests of every kind in one stream, cut in two at every place: what is answered must not depend
// on the cut.
TEST(Requests, PipelinedAndSplitAtEveryByte) {
    std::string all =
        "GET /1?x HTTP/1.1\r\n" + host + "X-Long: " + std::string(30, 'v') + "\r\n\r\n" +
        "POST /2 HTTP/1.1\r\n" + host + "Content-Length: 5\r\n\r\nhello" + "\r\n" +
        "POST /3 HTTP/1.1\r\n" + host +
        "Transfer-Encoding: chunked\r\n\r\n4\r\nwiki\r\n5;e=1\r\npedia\r\n0\r\nT: 1\r\n\r\n" +
        "HEAD /4 HTTP/1.1\r\n" + host + "X:\r\n\r\n" + "GET /5 HTTP/1.1\r\n" + host + "\r\n";
    running_server server;
    client one(*server);
    std::uint64_t sent = 0;
    for (std::size_t cut = 0; cut <= all.size(); ++cut) {
        one.send(all.substr(0, cut));
        sent += cut;
        ASSERT_TRUE(becomes_true([&] { return server.total().bytes_received == sent; }));
        one.send(all.substr(cut));
        sent += all.size() - cut;
        EXPECT_EQ(one.read().body, "GET /1?x []") << cut;
        EXPECT_EQ(one.read().body, "POST /2? [hello]") << cut;
        EXPECT_EQ(one.read().body, "POST /3? [wikipedia]") << cut;
        EXPECT_EQ(one.read(false).header("Content-Length"), "11") << cut;
        EXPECT_EQ(one.read().body, "GET /5? []") << cut;
    }
}

TEST(Requests, ByteByByte) {
    running_server server;
    client one(*server);
    std::string text = "POST /p?q HTTP/1.1\r\n" + host +
                       "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\nT: u\r\n\r\n";
    for (int round = 0; round < 3; ++round) {
        for (char byte : text) one.send({&byte, 1});
        EXPECT_EQ(one.read().body, "POST /p?q [abcde]");
    }
}

TEST(Requests, ThousandsPipelinedComeBackInOrder) {
    running_server server;
    client one(*server);
    constexpr int count = 5000;
    std::jthread sender([&] {
        std::string some;
        for (int i = 0; i < count; ++i) {
            some += "GET /" + std::to_string(i) + " HTTP/1.1\r\n" + host + "\r\n";
            if (some.size() > 3000) {
                one.send(some);
                some.clear();
            }
        }
        one.send(some);
    });
    for (int i = 0; i < count; ++i) {
        ASSERT_EQ(one.read().body, "GET /" + std::to_string(i) + "? []");
    }
}

TEST(Requests, LargeBodiesArriveWhole) {
    std::string body(5'000'000, 'x');
    for (std::size_t i = 0; i < body.size(); i += 1000) body[i] = static_cast<char>('a' + i % 26);
    bool same = false;
    running_server server([&](const request& request, response& response) {
        same = request.body == body;
        response.body(same ? "same" : "different");
    });
    client one(*server);
    for (int round = 0; round < 2; ++round) {
        one.send("POST / HTTP/1.1\r\n" + host + "Content-Length: " + std::to_string(body.size()) +
                 "\r\n\r\n" + body);
        EXPECT_EQ(one.read().body, "same");
        std::string chunked;
        for (std::size_t at = 0; at < body.size(); at += 50'000) {
            chunked += "c350\r\n" + body.substr(at, 50'000) + "\r\n";
        }
        one.send("POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n" + chunked +
                 "0\r\n\r\n");
        EXPECT_EQ(one.read().body, "same");
    }
}

TEST(Requests, ContinueIsSentWhenABodyIsAwaited) {
    running_server server;
    client one(*server);
    std::string start = "POST /a HTTP/1.1\r\n" + host + "Expect: 100-Continue\r\n";
    one.send(start + "Content-Length: 2\r\n\r\n");
    EXPECT_EQ(one.read(false).head, "HTTP/1.1 100 Continue\r\n\r\n");
    one.send("ab");
    EXPECT_EQ(one.read().body, "POST /a? [ab]");
    // Chunked, behind another request.
    one.send("GET /b HTTP/1.1\r\n" + host + "\r\n" + start + "Transfer-Encoding: chunked\r\n\r\n");
    EXPECT_EQ(one.read().body, "GET /b? []");
    EXPECT_EQ(one.read(false).status, 100);
    one.send("1\r\nc\r\n0\r\n\r\n");
    EXPECT_EQ(one.read().body, "POST /a? [c]");
    // Not when the body is there already, or there is none.
    one.send(start + "Content-Length: 1\r\n\r\nd");
    EXPECT_EQ(one.read().body, "POST /a? [d]");
    one.send(start + "Content-Length: 0\r\n\r\n");
    EXPECT_EQ(one.read().body, "POST /a? []");
}

TEST(Requests, HalfClosedClientsGetTheirReplies) {
    running_server server;
    for (int i = 0; i < 50; ++i) {
        client one(*server);
        one.send("GET /1 HTTP/1.1\r\n" + host + "\r\nGET /2 HTTP/1.1\r\n" + host + "\r\n");
        one.end_sending();
        EXPECT_EQ(one.read().body, "GET /1? []");
        EXPECT_EQ(one.read().body, "GET /2? []");
        EXPECT_TRUE(one.at_end());
    }
}

// A client that ends within a request gets no reply, and the connection goes.
TEST(Requests, EndWithinARequestCloses) {
    running_server server;
    for (std::string_view part : {"", "GE", "GET / HTTP/1.1\r\nHost",
                                  "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab"}) {
        client one(*server);
        one.send(part);
        one.end_sending();
        EXPECT_TRUE(one.at_end()) << part;
    }
}

struct counting_application final : application {
    void enter() override {
        EXPECT_FALSE(entered);
        entered = true;
    }
    void handle(const request& request, response& response) override {
        EXPECT_TRUE(entered);
        EXPECT_FALSE(holds_body);
        holds_body = true;
        body.assign(request.path == "/large" ? 1'000'000 : 10, 'b');
        response.body(body);
    }
    void release() override {
        EXPECT_TRUE(entered);
        EXPECT_TRUE(holds_body);
        holds_body = false;
        body.assign(body.size(), 'x');  // what is sent must not point here any more
    }
    void leave() override {
        EXPECT_TRUE(entered);
        entered = false;
    }
    bool finish_batch() override {
        EXPECT_TRUE(entered);
        return ++batches % 2 == 0;
    }
    void idle(bool) override {
        EXPECT_TRUE(entered);
        ++idles;
    }
    bool wants_idle() override { return true; }
    ~counting_application() override { EXPECT_FALSE(entered); }

    bool entered = false, holds_body = false;
    int batches = 0, idles = 0;
    std::string body;
};

TEST(Requests, TheApplicationIsEnteredReleasedAndLeft) {
    std::vector<counting_application*> made;
    std::atomic<int> idles{0};
    struct reporting final : application {
        std::atomic<int>& total;
        counting_application inner;
        explicit reporting(std::atomic<int>& sum) : total(sum) {}
        ~reporting() override { total += inner.idles; }
        void enter() override { inner.enter(); }
        void handle(const request& request, response& response) override {
            inner.handle(request, response);
        }
        void release() override { inner.release(); }
        void leave() override { inner.leave(); }
        bool finish_batch() override { return inner.finish_batch(); }
        void idle(bool at_length) override { inner.idle(at_length); }
        bool wants_idle() override { return true; }
    };
    {
        running_server server([&](unsigned) { return std::make_unique<reporting>(idles); },
                              http::limits{}, 2);
        client one(*server);
        std::string three = "GET /small HTTP/1.1\r\n" + host + "\r\nGET /large HTTP/1.1\r\n" +
                            host + "\r\nGET /small HTTP/1.1\r\n" + host + "\r\n";
        for (int i = 0; i < 20; ++i) {
            one.send(three);
            EXPECT_EQ(one.read().body, std::string(10, 'b'));
            EXPECT_EQ(one.read().body, std::string(1'000'000, 'b'));
            EXPECT_EQ(one.read().body, std::string(10, 'b'));
        }
    }
    EXPECT_GT(idles.load(), 0);
}

}  // namespace
}  // namespace allcores::http::testing
