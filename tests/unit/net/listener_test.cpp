#include "net/listener.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <system_error>

namespace allcores::net {
namespace {

descriptor connect_to(const address& where) {
    descriptor socket(::socket(where.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(socket.get(), where.get(), where.size())) socket.reset();
    return socket;
}

TEST(Address, Text) {
    address four = resolve("127.0.0.1", 80).at(0);
    EXPECT_EQ(four.host(), "127.0.0.1");
    EXPECT_EQ(four.port(), 80);
    EXPECT_EQ(four.text(), "127.0.0.1:80");
    address six = resolve("::1", 8000).at(0);
    EXPECT_EQ(six.text(), "[::1]:8000");
    EXPECT_EQ(address().host(), "");
    EXPECT_THROW(resolve("no such host", 1), std::system_error);
}

TEST(Listener, AcceptsAndCloses) {
    auto all = listen_on("127.0.0.1", 0, 16);
    ASSERT_EQ(all.size(), 1u);
    listener& one = all[0];
    EXPECT_GT(one.where().port(), 0);
    descriptor accepted_socket;
    address from;
    EXPECT_EQ(one.accept(accepted_socket, from), accepted::none);
    descriptor client = connect_to(one.where());
    ASSERT_TRUE(client);
    EXPECT_EQ(one.accept(accepted_socket, from), accepted::connection);
    EXPECT_EQ(from.text(), address::of_socket(client.get()).text());
    one.close_to_clients();
    EXPECT_FALSE(connect_to(one.where()));
    EXPECT_EQ(one.accept(accepted_socket, from), accepted::none);
}

TEST(Listener, EveryAddressOfAHostOnOnePort) {
    auto all = listen_on("localhost", 0, 16);
    ASSERT_FALSE(all.empty());
    EXPECT_TRUE(std::ranges::all_of(
        all, [&](const listener& each) { return each.where().port() == all[0].where().port(); }));
    for (const listener& each : all) EXPECT_TRUE(connect_to(each.where()));
}

TEST(Listener, ErrorsNameTheAddress) {
    auto first = listen_on("127.0.0.1", 0, 16);
    try {
        listen_on("127.0.0.1", first[0].where().port(), 16);
        FAIL();
    } catch (const std::system_error& error) {
        EXPECT_EQ(error.code(), std::errc::address_in_use);
        EXPECT_NE(std::string(error.what()).find(first[0].where().text()), std::string::npos);
    }
    EXPECT_THROW(listen_on("192.0.2.1", 0, 16),
                 std::system_error);  // not an address of this machine
}

TEST(Listener, TheReserveTurnsAway) {
    auto all = listen_on("127.0.0.1", 0, 16);
    reserve_descriptor reserve;
    EXPECT_FALSE(reserve.turn_away(all[0]));
    descriptor client = connect_to(all[0].where());
    EXPECT_TRUE(reserve.turn_away(all[0]));
    char byte;
    EXPECT_EQ(::recv(client.get(), &byte, 1, 0), 0);
    EXPECT_FALSE(reserve.turn_away(all[0]));
}

}  // namespace
}  // namespace allcores::net
