// Replies that do not fit into the socket: back-pressure, memory and files, clients that read
// slowly.
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "http/file_plan.h"
#include "http/pending_output.h"
#include "server_fixture.h"

namespace allcores::http::testing {
namespace {

const std::string host = "Host: test\r\n";
constexpr int tiny = 2048;  // the client's receive buffer

std::string pattern(std::size_t size) {
    std::string text(size, 0);
    for (std::size_t i = 0; i < size; ++i)
        text[i] = static_cast<char>('a' + (i * 7 + i / 999) % 26);
    return text;
}

std::string get(std::string_view path) {
    return "GET " + std::string(path) + " HTTP/1.1\r\n" + host + "\r\n";
}

class temporary_file {
 public:
    explicit temporary_file(std::string_view content) {
        descriptor_.reset(::mkstemp(name_));
        EXPECT_EQ(::write(descriptor_.get(), content.data(), content.size()),
                  static_cast<ssize_t>(content.size()));
    }
    ~temporary_file() { ::unlink(name_); }
    std::string name() const { return name_; }
    void shorten(off_t size) { EXPECT_EQ(::ftruncate(descriptor_.get(), size), 0); }

 private:
    char name_[32] = "/tmp/allcores-test-XXXXXX";
    net::descriptor descriptor_;
};

handler sends_file(const std::string& name) {
    return [name](const request& request, response& response) {
        auto file = regular_file::open(name);
        ASSERT_TRUE(file.has_value());
        request_conditions conditions;
        conditions.range = request.header("range");
        auto plan = file_plan::make(std::move(*file), {}, request.method, conditions);
        ASSERT_TRUE(plan.has_value());
        response.header("X-Mine", "kept");
        response.file(std::move(*plan));
    };
}

TEST(Output, LargeBodiesToASlowClient) {
    static const std::string body = pattern(3'000'000);
    running_server server([](const request& request, response& response) {
        if (request.path == "/permanent") {
            response.permanent_body(body);
        } else {
            static thread_local std::string mine;
            mine = body;
            response.body(mine);
        }
    });
    client one(*server, tiny);
    one.send(get("/permanent") + get("/view") + get("/permanent") + get("/view"));
    for (int i = 0; i < 4; ++i) EXPECT_EQ(one.read().body, body);
    EXPECT_EQ(one.get("/view").body, body);
}

// The kernel would cut all that it takes into pieces of half the client's window.
TEST(Output, TheKernelGetsLittleForAClientWithASmallWindow) {
    static const std::string body = pattern(1'000'000);
    std::atomic<bool> sent{false};
    struct tells_when_sent : handler_application {
        explicit tells_when_sent(std::atomic<bool>& flag)
            : handler_application([](const request&, response& response) { response.body(body); }),
              is_sent(flag) {}
        void release() override { is_sent = true; }
        std::atomic<bool>& is_sent;
    };
    running_server server([&](unsigned) { return std::make_unique<tells_when_sent>(sent); }, {}, 1);
    client one(*server, tiny);
    one.send(get("/"));
    ASSERT_TRUE(becomes_true([&] { return sent.load(); }));
    EXPECT_GT(server.total().bytes_sent, 0u);
    EXPECT_LT(server.total().bytes_sent, 60'000u);
    EXPECT_EQ(one.read().body, body);
    EXPECT_EQ(one.get("/").body, body);
}

// Clients that wait for the same large answer share one copy of it; what changed in between does
// not reach those who had asked before.
TEST(Output, OneCopyForManySlowClients) {
    static std::string body;  // of the one worker
    body = pattern(1'000'000);
    running_server server(
        [](const request& request, response& response) {
            if (request.path == "/other") body[999'999] = '#';
            response.body(body);
        },
        {}, 1);
    const std::string before = body;
    std::vector<std::unique_ptr<client>> all;
    for (const char* path : {"/", "/", "/other", "/", "/"}) {
        all.push_back(std::make_unique<client>(*server, tiny));
        all.back()->send(get(path));
        ASSERT_TRUE(becomes_true([&] { return server.total().requests >= all.size(); }));
    }
    for (std::size_t i = 0; i < all.size(); ++i) {
        std::string expected = before;
        if (i >= 2) expected[999'999] = '#';
        EXPECT_EQ(all[i]->read().body, expected);
    }
}

TEST(PendingOutput, WhatIsSentIsLetGo) {
    int both[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, both), 0);
    const net::descriptor one(both[0]), other(both[1]);
    pending_output output;
    const std::shared_ptr<const char[]> first(new char[2]{'a', 'b'});
    std::weak_ptr<const char[]> watched;
    {
        std::shared_ptr<const char[]> large(new char[10'000'000]{});
        watched = large;
        output.add_shared(first, 1, 1);
        output.add_shared(std::move(large), 0, 10'000'000);
    }
    EXPECT_EQ(first.use_count(), 2);
    std::uint64_t sent = 0;
    EXPECT_EQ(output.send(one.get(), sent), pending_output::outcome::blocked);
    EXPECT_GT(sent, 1u);
    EXPECT_EQ(output.unsent(), 10'000'001 - sent);
    EXPECT_EQ(first.use_count(), 1) << "the rest is not all sent, but this is";
    EXPECT_FALSE(watched.expired());
    std::string received(1, 0);
    EXPECT_EQ(::recv(other.get(), received.data(), 1, 0), 1);
    EXPECT_EQ(received, "b");
}

TEST(Output, NothingMoreIsReadWhileRepliesAreStuck) {
    std::atomic<int> handled{0};
    static const std::string body = pattern(100'000);
    running_server server([&](const request&, response& response) {
        ++handled;
        response.permanent_body(body);
    });
    client one(*server, tiny);
    constexpr int count = 400;  // 40 MB of replies
    std::jthread sender([&] {
        for (int i = 0; i < count; ++i) one.send(get("/"));
    });
    sender.join();
    // What the sockets hold is a few MB; the rest must not have been made.
    ASSERT_TRUE(becomes_true([&] { return handled > 0; }));
    EXPECT_LT(handled, count / 2);
    for (int i = 0; i < count; ++i) ASSERT_EQ(one.read().body.size(), body.size());
    EXPECT_EQ(handled, count);
}

TEST(Output, SmallRepliesPipelinedToAClientThatReadsLate) {
    running_server server;
    client one(*server, tiny);
    constexpr int count = 60'000;
    std::jthread sender([&] {
        std::string some;
        for (int i = 0; i < count; ++i) {
            some += get("/" + std::to_string(i));
            if (i % 100 == 99) {
                one.send(some);
                some.clear();
            }
        }
    });
    for (int i = 0; i < count; ++i) {
        ASSERT_EQ(one.read().body, "GET /" + std::to_string(i) + "? []");
    }
}

TEST(Output, CloseComesAfterEverythingIsSent) {
    static const std::string body = pattern(5'000'000);
    running_server server([](const request&, response& response) {
        response.permanent_body(body);
        response.header("connection", "close");
    });
    client one(*server, tiny);
    one.send(get("/") + get("/"));
    reply answer = one.read();
    EXPECT_EQ(answer.header("Connection"), "close");
    EXPECT_EQ(answer.body, body);
    EXPECT_TRUE(one.at_end());
}

TEST(Output, HalfClosedAndSlow) {
    static const std::string body = pattern(5'000'000);
    running_server server(
        [](const request&, response& response) { response.permanent_body(body); });
    client one(*server, tiny);
    one.send(get("/") + get("/"));
    one.end_sending();
    EXPECT_EQ(one.read().body, body);
    EXPECT_EQ(one.read().body, body);
    EXPECT_TRUE(one.at_end());
}

TEST(Files, WholeInPartsAndPipelined) {
    std::string content = pattern(2'000'000);
    temporary_file file(content);
    running_server server(sends_file(file.name()));
    client one(*server, tiny);
    one.send(get("/") + get("/") + "HEAD / HTTP/1.1\r\n" + host + "\r\n" + "GET / HTTP/1.1\r\n" +
             host + "Range: bytes=1000-1999\r\n\r\n" + "GET / HTTP/1.1\r\n" + host +
             "Range: bytes=0-9,1500000-\r\n\r\n" + "GET / HTTP/1.1\r\n" + host +
             "Range: bytes=3000000-\r\n\r\n");
    for (int i = 0; i < 2; ++i) {
        reply whole = one.read();
        EXPECT_EQ(whole.status, 200);
        EXPECT_EQ(whole.header("X-Mine"), "kept");
        EXPECT_EQ(whole.body, content);
    }
    EXPECT_EQ(one.read(false).header("Content-Length"), "2000000");
    reply part = one.read();
    EXPECT_EQ(part.status, 206);
    EXPECT_EQ(part.header("Content-Range"), "bytes 1000-1999/2000000");
    EXPECT_EQ(part.body, content.substr(1000, 1000));
    reply parts = one.read();
    EXPECT_EQ(parts.status, 206);
    EXPECT_NE(parts.body.find(content.substr(1'500'000)), std::string::npos);
    EXPECT_EQ(one.read().status, 416);
}

TEST(Files, LargerThanOneTurnToAFastClient) {
    std::string content = pattern(30'000'000);
    temporary_file file(content);
    running_server server(sends_file(file.name()));
    client one(*server);
    EXPECT_EQ(one.get("/").body, content);
    EXPECT_EQ(one.get("/").body, content);
}

TEST(Files, ThatBecomeShorterCloseTheConnection) {
    temporary_file file(pattern(4'000'000));
    running_server server([&](const request& request, response& response) {
        sends_file(file.name())(request, response);
        file.shorten(10);
    });
    client one(*server);
    one.send(get("/"));
    std::string all = one.read_all();
    EXPECT_LT(all.size(), 1000u);
    EXPECT_NE(all.find("Content-Length: 4000000"), std::string::npos);
}

TEST(Output, ClientsThatVanishLeaveNothing) {
    static const std::string body = pattern(2'000'000);
    temporary_file file(body);
    running_server server([&](const request& request, response& response) {
        if (request.path == "/file") return sends_file(file.name())(request, response);
        response.permanent_body(body);
    });
    for (int i = 0; i < 40; ++i) {
        client one(*server, tiny);
        one.send(i % 2 ? get("/") + get("/") : get("/file") + get("/file"));
        if (i % 4 < 2) {
            linger reset{.l_onoff = 1, .l_linger = 0};
            ::setsockopt(one.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        }
    }
    EXPECT_TRUE(becomes_true([&] { return server.total().connections_closed == 40; }));
    EXPECT_TRUE(becomes_true([&] { return server->open_connections() == 0; }));
}

}  // namespace
}  // namespace allcores::http::testing
