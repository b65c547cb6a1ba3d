// stop() in every state that workers and connections can be in, and workers that are stuck.
#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <semaphore>
#include <string>
#include <system_error>
#include <vector>

#include "server_fixture.h"

namespace allcores::http::testing {
namespace {

using namespace std::chrono_literals;
const std::string get = "GET /a HTTP/1.1\r\nHost: test\r\n\r\n";

// The grace is long: that join() returns shows that it was not waited for.
constexpr auto long_grace = 10min;

TEST(Stop, WithoutConnections) {
    running_server server;
    server->stop(long_grace);
    server.join();
}

TEST(Stop, BeforeRun) {
    server one({.port = 0});
    one.listen();
    one.stop(long_grace);
    handler_application application(echo);
    one.run(application, 0);
}

TEST(Stop, WithoutListening) {
    server one({.port = 0});
    handler_application application(echo);
    EXPECT_THROW(one.run(application, 0), std::logic_error);
    one.stop(0ms);
}

TEST(Stop, IdleConnectionsAreClosed) {
    running_server server;
    std::vector<std::unique_ptr<client>> many;
    for (int i = 0; i < 100; ++i) {
        many.push_back(std::make_unique<client>(*server));
        if (i % 2) {
            EXPECT_EQ(many.back()->get("/").status, 200);
        }
    }
    server->stop(long_grace);
    server.join();
    EXPECT_EQ(server->open_connections(), 0u);
}

TEST(Stop, NewConnectionsAreRefused) {
    running_server server;
    client one(*server);
    EXPECT_EQ(one.get("/").status, 200);
    std::vector<net::address> addresses = server->addresses();
    server->stop(long_grace);
    EXPECT_THROW(client late(addresses[0]), std::runtime_error);
    server.join();
}

TEST(Stop, ARequestInFlightIsFinishedAndItsConnectionClosed) {
    std::latch inside(1);
    std::binary_semaphore go(0);
    running_server server([&](const request& request, response& response) {
        inside.count_down();
        go.acquire();
        echo(request, response);
    });
    client one(*server);
    one.send(get);
    inside.wait();
    server->stop(long_grace);
    go.release();
    reply answer = one.read();
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.header("Connection"), "close");
    EXPECT_TRUE(one.at_end());
    server.join();
}

TEST(Stop, ARequestHalfReadIsFinished) {
    running_server server;
    client one(*server);
    one.send(get.substr(0, 20));
    ASSERT_TRUE(becomes_true([&] { return server.total().bytes_received == 20; }));
    server->stop(long_grace);
    one.send(get.substr(20));
    EXPECT_EQ(one.read().header("Connection"), "close");
    EXPECT_TRUE(one.at_end());
    server.join();
}

TEST(Stop, AReplyHalfSentIsFinished) {
    static const std::string body(5'000'000, 'b');
    running_server server(
        [](const request&, response& response) { response.permanent_body(body); });
    client one(*server, 2048);
    one.send(get);
    ASSERT_TRUE(becomes_true([&] { return server.total().requests == 1; }));
    server->stop(long_grace);
    EXPECT_EQ(one.read().body, body);
    EXPECT_TRUE(one.at_end());
    server.join();
}

TEST(Stop, TheGraceEnds) {
    running_server server;
    client one(*server);
    one.send(get.substr(0, 20));
    ASSERT_TRUE(becomes_true([&] { return server.total().bytes_received == 20; }));
    server->stop(30ms);
    server.join();
    EXPECT_EQ(server->open_connections(), 0u);
}

TEST(Stop, ASecondCallShortensTheGrace) {
    running_server server;
    client one(*server);
    one.send(get.substr(0, 20));
    ASSERT_TRUE(becomes_true([&] { return server.total().bytes_received == 20; }));
    server->stop(long_grace);
    server->stop(0ms);
    server.join();
}

// One worker does not come back from its handler: the others serve, stop and return all the same.
TEST(Stop, AStuckWorkerHoldsUpNobody) {
    std::latch inside(1);
    std::binary_semaphore go(0);
    std::atomic<int> returned{0};
    server serving({.port = 0, .workers = 3});
    serving.listen();
    handler handle = [&](const request& request, response& response) {
        if (request.path == "/stuck") {
            inside.count_down();
            go.acquire();
        }
        echo(request, response);
    };
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < 3; ++i) {
        threads.emplace_back([&, i] {
            handler_application application(handle);
            serving.run(application, i);
            ++returned;
        });
    }
    client stuck(serving);
    stuck.send("GET /stuck HTTP/1.1\r\nHost: test\r\n\r\n");
    inside.wait();
    std::vector<std::unique_ptr<client>> others;
    for (int i = 0; i < 20; ++i) {
        others.push_back(std::make_unique<client>(serving));
        EXPECT_EQ(others.back()->get("/").status, 200);
    }
    serving.stop(20ms);
    EXPECT_TRUE(becomes_true([&] { return returned == 2; }));
    for (auto& each : others) EXPECT_TRUE(each->at_end());
    EXPECT_EQ(serving.open_connections(), 1u);
    go.release();
    // Its own reply was made; whether it still goes out is not promised after the grace, but it
    // does.
    EXPECT_EQ(stuck.read().status, 200);
    threads.clear();
    EXPECT_EQ(serving.open_connections(), 0u);
}

TEST(Stop, EveryWorkerStuck) {
    std::counting_semaphore<8> go(0);
    std::latch inside(3);
    running_server server([&](const request& request, response& response) {
        inside.count_down();
        go.acquire();
        echo(request, response);
    });
    client one(*server), two(*server), three(*server);
    one.send(get);
    two.send(get);
    three.send(get);
    inside.wait();
    server->stop(0ms);
    go.release(3);
    server.join();
}

TEST(Listen, ATakenPortIsAnError) {
    running_server server;
    std::uint16_t port = server->addresses()[0].port();
    class server second({.port = port});
    try {
        second.listen();
        FAIL();
    } catch (const std::system_error& error) {
        EXPECT_EQ(error.code(), std::errc::address_in_use);
        EXPECT_NE(std::string(error.what()).find("127.0.0.1:" + std::to_string(port)),
                  std::string::npos);
    }
}

TEST(Listen, AnUnknownHostIsAnError) {
    server one({.host = "no such host", .port = 0});
    EXPECT_THROW(one.listen(), std::system_error);
}

// While clients come, go, send halves and vanish.
TEST(Stop, UnderLoad) {
    for (int round = 0; round < 10; ++round) {
        running_server server;
        std::atomic<bool> end{false};
        std::vector<std::jthread> clients;
        std::atomic<int> replies{0};
        for (int i = 0; i < 4; ++i) {
            clients.emplace_back([&, i] {
                while (!end) {
                    try {
                        client one(*server);
                        for (int j = 0; j < 3 + i; ++j) {
                            one.get("/" + std::to_string(j));
                            ++replies;
                        }
                        if (i % 2) one.send("GET / HT");
                    } catch (
                        const std::runtime_error&) {  // cut, or refused: the server has stopped
                    }
                }
            });
        }
        EXPECT_TRUE(becomes_true([&] { return replies > 50; }));
        server->stop(round % 2 ? 20ms : 0ms);
        server.join();
        end = true;
        clients.clear();
        EXPECT_EQ(server->open_connections(), 0u);
    }
}

}  // namespace
}  // namespace allcores::http::testing
