#include "net/reactor.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <thread>
#include <vector>

#include "net/descriptor.h"
#include "net/timer.h"

namespace allcores::net {
namespace {

struct socket_pair {
    socket_pair() {
        int both[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, both), 0);
        near.reset(both[0]);
        far.reset(both[1]);
    }
    void write() const { EXPECT_EQ(::send(far.get(), "x", 1, 0), 1); }
    descriptor near, far;
};

TEST(Reactor, ReportsAnEdgeOnce) {
    auto reactor = make_reactor();
    socket_pair pair;
    reactor->add(pair.near.get(), 42, reactor::interest::read);
    reactor::event event;
    EXPECT_EQ(reactor->wait(event, 0), reactor::outcome::nothing);
    pair.write();
    EXPECT_EQ(reactor->wait(event, -1), reactor::outcome::ready);
    EXPECT_EQ(event.source, 42u);
    EXPECT_FALSE(event.hung_up);
    EXPECT_EQ(reactor->wait(event, 0), reactor::outcome::nothing);  // though nothing was read
    pair.write();
    EXPECT_EQ(reactor->wait(event, -1), reactor::outcome::ready);
    reactor->rearm(pair.near.get(), 43, reactor::interest::read);
    EXPECT_EQ(reactor->wait(event, -1), reactor::outcome::ready);
    EXPECT_EQ(event.source, 43u);
    ::shutdown(pair.far.get(), SHUT_WR);
    EXPECT_EQ(reactor->wait(event, -1), reactor::outcome::ready);
    EXPECT_TRUE(event.hung_up);
    reactor->remove(pair.near.get());
    pair.far.reset();
    EXPECT_EQ(reactor->wait(event, 0), reactor::outcome::nothing);
}

TEST(Reactor, WakesOneAndEndsAll) {
    auto reactor = make_reactor();
    reactor::event event;
    reactor->wake();
    EXPECT_EQ(reactor->wait(event, -1), reactor::outcome::woken);
    EXPECT_EQ(reactor->wait(event, 0), reactor::outcome::nothing);
    std::atomic<int> woken{0};
    std::vector<std::jthread> waiters;
    for (int i = 0; i < 4; ++i) {
        waiters.emplace_back([&] {
            reactor::event mine;
            while (reactor->wait(mine, -1) != reactor::outcome::ended) ++woken;
        });
    }
    reactor->wake();
    while (woken == 0) std::this_thread::yield();
    reactor->end();
    waiters.clear();
    EXPECT_EQ(woken, 1);
    EXPECT_EQ(reactor->wait(event, -1), reactor::outcome::ended);
}

// Each byte is an event for exactly one of the waiters.
TEST(Reactor, OneWaiterGetsEachEvent) {
    auto reactor = make_reactor();
    constexpr std::size_t pairs = 64;
    std::vector<socket_pair> all(pairs);
    for (std::size_t i = 0; i < pairs; ++i) {
        reactor->add(all[i].near.get(), 2 * i, reactor::interest::read);
    }
    std::atomic<std::size_t> got{0};
    std::vector<std::jthread> waiters;
    for (int i = 0; i < 3; ++i) {
        waiters.emplace_back([&] {
            reactor::event mine;
            while (reactor->wait(mine, -1) == reactor::outcome::ready) {
                char byte;
                EXPECT_EQ(::recv(all[mine.source / 2].near.get(), &byte, 1, 0), 1);
                ++got;
            }
        });
    }
    for (std::size_t round = 1; round <= 100; ++round) {
        for (const socket_pair& each : all) each.write();
        while (got != round * pairs) std::this_thread::yield();
    }
    reactor->end();
}

TEST(Timer, Ticks) {
    auto reactor = make_reactor();
    timer timer;
    reactor->add(timer.get(), 1, reactor::interest::read);
    EXPECT_FALSE(timer.take());
    timer.tick_every(std::chrono::milliseconds(1));
    for (int i = 0; i < 3; ++i) {
        reactor::event event;
        EXPECT_EQ(reactor->wait(event, -1), reactor::outcome::ready);
        EXPECT_TRUE(timer.take());
    }
}

}  // namespace
}  // namespace allcores::net
