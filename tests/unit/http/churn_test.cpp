// Connections that come and go from many threads, in every way that clients do, while timeouts and
// refusals happen too.
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <vector>

#include "server_fixture.h"

namespace allcores::http::testing {
namespace {

TEST(Churn, ThousandsOfConnectionsFromManyThreads) {
    http::limits limits;
    limits.header_timeout_ms = 40;
    limits.keep_alive_timeout_ms = 60;
    limits.linger_timeout_ms = 20;
    limits.max_connections = 12;
    static const std::string large(200'000, 'l');
    running_server server(
        [](const request& request, response& response) {
            if (request.path == "/large") return response.permanent_body(large);
            echo(request, response);
        },
        limits, 4);
    std::atomic<int> good{0}, odd{0};
    std::vector<std::jthread> clients;
    for (int thread = 0; thread < 4; ++thread) {
        clients.emplace_back([&, thread] {
            for (int i = 0; i < 600; ++i) {
                try {
                    client one(*server, i % 7 == 0 ? 2048 : 0);
                    std::string path = "/" + std::to_string(thread) + "-" + std::to_string(i);
                    switch (i % 6) {
                        case 0:  // vanishes within a request
                            one.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab");
                            break;
                        case 1:  // vanishes within a reply
                            one.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
                            break;
                        case 2:
                            one.send("BAD\r\n\r\n");
                            if (one.read().status >= 400) ++odd;
                            break;
                        default:
                            for (int j = 0; j < i % 5 + 1; ++j) {
                                reply answer = one.get(path);
                                if (answer.status == 503) break;
                                EXPECT_EQ(answer.body, "GET " + path + "? []");
                                ++good;
                            }
                    }
                } catch (const std::runtime_error&) {  // refused, timed out, or closed
                    ++odd;
                }
            }
        });
    }
    clients.clear();
    EXPECT_GT(good, 100);
    EXPECT_TRUE(becomes_true([&] { return server->open_connections() == 0; }));
    EXPECT_TRUE(becomes_true([&] {
        statistics total = server.total();
        return total.connections_accepted == total.connections_closed;
    }));
}

}  // namespace
}  // namespace allcores::http::testing
