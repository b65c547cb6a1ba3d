#include "http/ownership.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace allcores::http {
namespace {

TEST(Ownership, EachTransition) {
    ownership one;
    EXPECT_FALSE(one.acquire_for_event());  // free: for nobody
    EXPECT_FALSE(one.acquire_if_idle());
    one.claim();
    EXPECT_FALSE(one.acquire_if_idle());
    EXPECT_TRUE(one.release());
    EXPECT_TRUE(one.acquire_for_event());
    EXPECT_FALSE(one.acquire_for_event());  // pending
    EXPECT_FALSE(one.acquire_for_event());  // still
    EXPECT_FALSE(one.acquire_if_idle());
    EXPECT_FALSE(one.release());  // the owner sees to it
    EXPECT_TRUE(one.release());
    EXPECT_TRUE(one.acquire_if_idle());
    one.retire();
    EXPECT_FALSE(one.acquire_for_event());
}

// Events from several threads: one owner at a time (a plain counter, which TSan watches), and each
// event is followed by a look of an owner that began after it.
TEST(Ownership, OneOwnerAtATimeAndNoEventLost) {
    ownership one;
    one.claim();
    ASSERT_TRUE(one.release());
    constexpr int threads = 4, events = 20'000;
    std::atomic<int> announced{0};
    int seen = 0;  // the owner's
    std::vector<std::jthread> all;
    for (int i = 0; i < threads; ++i) {
        all.emplace_back([&] {
            for (int event = 0; event < events; ++event) {
                announced.fetch_add(1, std::memory_order_relaxed);
                if (!one.acquire_for_event()) continue;
                do {
                    seen = announced.load(std::memory_order_relaxed);
                } while (!one.release());
            }
        });
    }
    all.clear();
    EXPECT_EQ(seen, threads * events);
}

}  // namespace
}  // namespace allcores::http
