// Requests whose application reads the body and writes the response inside handle(), waiting for
// its client.
#include "http/exchange.h"

#include <gtest/gtest.h>

#include "server_fixture.h"

namespace allcores::http::testing {
namespace {

// Answers with the size of the body: at the end of it, or with "/early" before. "/parts": sends
// what it reads.
class reading_application final : public application {
 public:
    void begin(port& worker) override { port_ = &worker; }
    bool takes_parts() const override { return true; }

    void handle(const request& request, response& response) override {
        const bool echoes = request.path == "/parts";
        const bool is_early = request.path == "/early";
        if (request.whole && !echoes) {
            answer_ = std::to_string(request.body.size());
            response.body(answer_);
            return;
        }
        exchange& held = port_->hold();
        if (echoes && held.start(response, -1) == exchange::output::gone) return;
        std::size_t size = 0;
        while (!is_early) {
            const exchange::input found = held.wait_input();
            if (found == exchange::input::gone) return;
            if (found == exchange::input::ended) break;
            const std::string_view part = held.unread();
            size += part.size();
            if (echoes && !send(held, part)) return;
            held.take(part.size());
        }
        if (!echoes) {
            if (!held.ignore_rest()) response.close();
            answer_ = std::to_string(size);
            const auto length = static_cast<std::int64_t>(answer_.size());
            if (held.start(response, length) == exchange::output::gone) return;
            if (!send(held, answer_)) return;
        }
        held.finish();
    }

 private:
    static bool send(exchange& held, std::string_view part) {
        exchange::output sent = held.write(part);
        if (sent == exchange::output::blocked) sent = held.wait_room();
        return sent != exchange::output::gone;
    }

    port* port_ = nullptr;
    std::string answer_;
};

class Exchange : public ::testing::Test {
 protected:
    static std::string post(std::string_view path, std::size_t size, std::string_view more = "") {
        return "POST " + std::string(path) +
               " HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(size) + "\r\n" +
               std::string(more) + "\r\n";
    }

    running_server server{[](unsigned) { return std::make_unique<reading_application>(); },
                          {.body_timeout_ms = 20'000},
                          2};
    http::testing::client client{*server};
};

constexpr std::size_t large = 3'000'000;

TEST_F(Exchange, ReadsALongBodyAndThenWhatFollows) {
    const std::string all = post("/", large) + std::string(large, 'x') + post("/", 3) + "abc" +
                            post("/", large) + std::string(large, 'y') +
                            "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    client.send(all);
    EXPECT_EQ(client.read().body, std::to_string(large));
    EXPECT_EQ(client.read().body, "3");
    EXPECT_EQ(client.read().body, std::to_string(large));
    EXPECT_EQ(client.read().body, "0");
}

TEST_F(Exchange, KeepsTheConnectionAfterAChunkedBody) {
    const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (int i = 0; i < 3; ++i) {
        client.send(head);
        client.send("5\r\nabcde\r\n");
        client.send("10\r\n0123456789abcdef\r\n0\r\n\r\n");
        const reply answer = client.read();
        EXPECT_EQ(answer.body, "21");
        EXPECT_EQ(answer.header("Connection"), "");
    }
}

TEST_F(Exchange, SaysContinueWhenTheBodyIsRead) {
    client.send(post("/", 100'000, "Expect: 100-continue\r\n"));
    EXPECT_EQ(client.read(false).status, 100);
    client.send(std::string(100'000, 'x'));
    EXPECT_EQ(client.read().body, "100000");
    client.send(post("/early", 100'000, "Expect: 100-continue\r\n"));
    const reply answer = client.read();
    EXPECT_EQ(answer.body, "0");
    EXPECT_EQ(answer.header("Connection"), "close");
    client.end_sending();
    EXPECT_TRUE(client.at_end());
}

TEST_F(Exchange, DiscardsAShortRestAndRefusesALongOne) {
    client.send(post("/early", 200'000) + std::string(200'000, 'x'));
    EXPECT_EQ(client.read().header("Connection"), "");
    EXPECT_EQ(client.get("/").body, "0");
    client.send(post("/early", 15'000'000));
    EXPECT_EQ(client.read().header("Connection"), "close");
    client.end_sending();
    EXPECT_TRUE(client.at_end());
}

TEST_F(Exchange, SendsAsItReads) {
    client.send(
        "POST /parts HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    EXPECT_EQ(client.read(false).header("Transfer-Encoding"), "chunked");
    client.send("2\r\nde\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    const std::string rest = client.read_all();
    std::string sent;  // however it was cut
    for (const char c : rest.substr(0, rest.find("0\r\n\r\n"))) {
        if (c >= 'a' && c <= 'z') sent.push_back(c);
    }
    EXPECT_EQ(sent, "abcde");
    EXPECT_NE(rest.find("HTTP/1.1 200 OK"), std::string::npos);
}

TEST_F(Exchange, EndsWithTheClient) {
    client.send(post("/", large, "Expect: 100-continue\r\n"));
    EXPECT_EQ(client.read(false).status, 100);  // so it waits
    client.send("abc");
    client.close();
    EXPECT_TRUE(becomes_true([&] { return server->open_connections() == 0; }));
}

TEST(ExchangeLimits, ABodyThatDoesNotComeIsNotWaitedFor) {
    running_server server{[](unsigned) { return std::make_unique<reading_application>(); },
                          {.body_timeout_ms = 50},
                          1};
    client slow{*server};
    slow.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc");
    EXPECT_EQ(slow.read().status, 408);
    slow.end_sending();
    EXPECT_TRUE(slow.at_end());
    EXPECT_EQ(server.total().timeouts, 1U);
    client next{*server};
    EXPECT_EQ(next.get("/").body, "0");
}

TEST(ExchangeLimits, TheEndOfTheServerEndsAWait) {
    running_server server{[](unsigned) { return std::make_unique<reading_application>(); }, {}, 1};
    client slow{*server};
    slow.send(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\nExpect: 100-continue\r\n\r\n");
    EXPECT_EQ(slow.read(false).status, 100);  // so it waits
    server->stop(std::chrono::milliseconds(10));
    EXPECT_EQ(slow.read_all(), "");
}

}  // namespace
}  // namespace allcores::http::testing
