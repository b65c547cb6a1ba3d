#include "net/output_limit.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <string>
#include <vector>

#include "net/listener.h"

namespace allcores::net {
namespace {

struct pair_of_sockets {
    explicit pair_of_sockets(int receive_buffer) : all(listen_on("127.0.0.1", 0, 16)) {
        client.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        if (receive_buffer) {
            ::setsockopt(client.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer,
                         sizeof receive_buffer);
        }
        const address& where = all[0].where();
        EXPECT_EQ(::connect(client.get(), where.get(), where.size()), 0);
        address from;
        EXPECT_EQ(all[0].accept(connection, from), accepted::connection);
    }
    std::vector<listener> all;
    descriptor client, connection;
};

TEST(OutputLimit, FollowsTheWindow) {
    EXPECT_EQ(output_limit(0), 4096u);
    EXPECT_EQ(output_limit(1024), 4096u);
    EXPECT_EQ(output_limit(2000), 8000u);
    EXPECT_EQ(output_limit(32 * 1024 - 1), most_in_kernel - 4);
    EXPECT_EQ(output_limit(32 * 1024), most_in_kernel);
    EXPECT_EQ(output_limit(~std::uint32_t{0}), most_in_kernel);
}

TEST(OutputLimit, OfAClientWithASmallBuffer) {
    pair_of_sockets made(1024);
    const std::uint32_t window = window_of(made.connection.get());
    EXPECT_GT(window, 0u);
    EXPECT_LT(window, 8192u);
    limit_output(made.connection.get(), output_limit(window));
    const std::string much(1'000'000, 'x');
    const ssize_t taken = ::send(made.connection.get(), much.data(), much.size(), MSG_NOSIGNAL);
    EXPECT_GT(taken, 0);
    EXPECT_LT(taken, 60'000);
}

TEST(OutputLimit, AnOrdinaryClientKeepsWhatTheListenerGave) {
    pair_of_sockets made(0);
    EXPECT_EQ(output_limit(window_of(made.connection.get())), most_in_kernel);
}

TEST(OutputLimit, WhatIsNoTcpSocketHasNoWindow) {
    int both[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, both), 0);
    const descriptor one(both[0]), other(both[1]);
    EXPECT_EQ(window_of(one.get()), ~std::uint32_t{0});
    limit_output(one.get(), 4096);  // and nothing happens
    EXPECT_EQ(::send(one.get(), "x", 1, MSG_NOSIGNAL), 1);
}

}  // namespace
}  // namespace allcores::net
