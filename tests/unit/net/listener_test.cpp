#include "net/listener.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
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

// The kernel would take all of it.
TEST(Listener, TheKernelKeepsLittleForAClientThatDoesNotRead) {
    auto all = listen_on("127.0.0.1", 0, 16);
    descriptor client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int little = 1024;
    ::setsockopt(client.get(), SOL_SOCKET, SO_RCVBUF, &little, sizeof little);
    const address& where = all[0].where();
    ASSERT_EQ(::connect(client.get(), where.get(), where.size()), 0);
    descriptor connection;
    address from;
    ASSERT_EQ(all[0].accept(connection, from), accepted::connection);
    const std::string much(1'000'000, 'x');
    const ssize_t taken = ::send(connection.get(), much.data(), much.size(), MSG_NOSIGNAL);
    EXPECT_GT(taken, 0);
    EXPECT_LT(taken, 300'000);
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

TEST(Listener, SeveralHosts) {
    auto all = listen_on({"127.0.0.1", "127.0.0.2", "127.0.0.1"}, 0, 16);
    ASSERT_EQ(all.size(), 2u);
    EXPECT_EQ(all[1].where().text(), "127.0.0.2:" + std::to_string(all[0].where().port()));
    EXPECT_TRUE(listen_on(std::vector<std::string>(), 0, 16).empty());
}

// A folder of its own for each test.
class UnixListener : public ::testing::Test {
 protected:
    void SetUp() override {
        std::string name = std::filesystem::temp_directory_path() / "allcores-XXXXXX";
        ASSERT_TRUE(::mkdtemp(name.data()));
        folder_ = name;
        path_ = folder_ / "x.sock";
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    std::error_code error_of(const std::string& path) {
        try {
            listener::at_path(path, 0600, 16);
        } catch (const std::system_error& error) {
            EXPECT_NE(std::string(error.what()).find("unix:" + path), std::string::npos);
            return error.code();
        }
        return {};
    }

    std::filesystem::path folder_;
    std::string path_;
};

TEST_F(UnixListener, ComesAndGoesWithItsFile) {
    {
        listener one = listener::at_path(path_, 0640, 16);
        EXPECT_EQ(one.where().text(), "unix:" + path_);
        EXPECT_EQ(one.where().host(), "");
        struct stat status;
        ASSERT_EQ(::stat(path_.c_str(), &status), 0);
        EXPECT_EQ(status.st_mode & 0777u, 0640u);
        descriptor client = connect_to(one.where());
        ASSERT_TRUE(client);
        descriptor accepted_socket;
        address from;
        EXPECT_EQ(one.accept(accepted_socket, from), accepted::connection);
        EXPECT_EQ(from.text(), "unix:");
        one.close_to_clients();
        EXPECT_FALSE(std::filesystem::exists(path_));
        EXPECT_EQ(one.accept(accepted_socket, from), accepted::none);
    }
    {
        listener again = listener::at_path(path_, 0600, 16);
    }
    EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(UnixListener, ReplacesOnlyWhatNobodyListensOn) {
    {
        const address where = address::of_path(path_);
        descriptor dead(::socket(AF_UNIX, SOCK_STREAM, 0));
        ASSERT_EQ(::bind(dead.get(), where.get(), where.size()), 0);
    }
    listener one = listener::at_path(path_, 0600, 16);
    EXPECT_EQ(error_of(path_), std::errc::address_in_use);
    EXPECT_TRUE(connect_to(one.where()));
    const std::string plain = folder_ / "plain";
    std::ofstream(plain) << "text";
    EXPECT_EQ(error_of(plain), std::errc::file_exists);
    EXPECT_EQ(error_of(folder_), std::errc::file_exists);
    EXPECT_EQ(error_of(std::string(200, 'x')), std::errc::filename_too_long);
    EXPECT_EQ(error_of(""), std::errc::no_such_file_or_directory);
    EXPECT_EQ(error_of(folder_ / "none" / "x"), std::errc::no_such_file_or_directory);
}

TEST_F(UnixListener, LeavesTheFileOfAnother) {
    listener one = listener::at_path(path_, 0600, 16);
    std::filesystem::remove(path_);
    listener other = listener::at_path(path_, 0600, 16);
    one.close_to_clients();
    EXPECT_TRUE(connect_to(other.where()));
}

TEST_F(UnixListener, AChildLeavesTheFileToItsParent) {
    listener one = listener::at_path(path_, 0600, 16);
    const pid_t child = ::fork();
    if (child == 0) {
        one.close_to_clients();
        ::_exit(0);
    }
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    EXPECT_TRUE(std::filesystem::exists(path_));
}

TEST(Listener, AnAdoptedOneStaysItsOwners) {
    auto owner = listen_on("127.0.0.1", 0, 16);
    listener one = listener::adopt(owner[0].get(), 16);
    EXPECT_EQ(one.where().text(), owner[0].where().text());
    descriptor client = connect_to(one.where());
    descriptor accepted_socket;
    address from;
    EXPECT_EQ(one.accept(accepted_socket, from), accepted::connection);
    one.close_to_clients();
    descriptor next = connect_to(one.where());
    EXPECT_TRUE(next);
    EXPECT_EQ(one.accept(accepted_socket, from), accepted::none);
    EXPECT_EQ(owner[0].accept(accepted_socket, from), accepted::connection);
}

TEST(Listener, AdoptsWhatIsBoundOnly) {
    const address where = resolve("127.0.0.1", 0).at(0);
    descriptor bound(::socket(AF_INET, SOCK_STREAM, 0));
    ASSERT_EQ(::bind(bound.get(), where.get(), where.size()), 0);
    listener one = listener::adopt(bound.get(), 16);
    EXPECT_TRUE(connect_to(one.where()));
}

TEST(Listener, AdoptsNothingElse) {
    descriptor datagrams(::socket(AF_INET, SOCK_DGRAM, 0));
    EXPECT_THROW(listener::adopt(datagrams.get(), 16), std::system_error);
    EXPECT_THROW(listener::adopt(0, 16), std::system_error);
    EXPECT_THROW(listener::adopt(-1, 16), std::system_error);
    EXPECT_THROW(listener::adopt(9999, 16), std::system_error);
}

}  // namespace
}  // namespace allcores::net
