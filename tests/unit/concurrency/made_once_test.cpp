#include "concurrency/made_once.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace allcores::concurrency {
namespace {

using namespace std::chrono_literals;

TEST(MadeOnce, OneMakesItForAll) {
    made_once results(1 << 20);
    std::atomic<int> makers = 0;
    std::atomic<int> right = 0;
    std::vector<std::jthread> threads;
    threads.reserve(8);
    for (int i = 0; i < 8; ++i) {
        threads.emplace_back([&] {
            made_once::result found = results.take("key", 1h);
            if (!found) {
                ++makers;
                results.put("key", "made");
                found = results.take("key", 1h);
            }
            if (found && *found == "made") ++right;
        });
    }
    threads.clear();
    EXPECT_EQ(makers, 1);
    EXPECT_EQ(right, 8);
}

TEST(MadeOnce, WhoGivesUpLetsTheNextTry) {
    made_once results(1 << 20);
    ASSERT_EQ(results.take("key", 0ms), nullptr);
    std::jthread waiting([&] {
        EXPECT_EQ(results.take("key", 1h), nullptr);
        results.put("key", "second");
    });
    results.give_up("key");
    waiting.join();
    ASSERT_NE(results.take("key", 0ms), nullptr);
    EXPECT_EQ(*results.take("key", 0ms), "second");
}

TEST(MadeOnce, NobodyWaitsForeverForOneWhoIsGone) {
    made_once results(1 << 20);
    ASSERT_EQ(results.take("key", 0ms), nullptr);
    EXPECT_EQ(results.take("key", 1ms), nullptr);
    results.put("key", "late");
    EXPECT_EQ(*results.take("key", 0ms), "late");
}

TEST(MadeOnce, KeepsNoMoreThanItMay) {
    made_once results(10);
    ASSERT_EQ(results.take("a", 0ms), nullptr);
    results.put("a", "123456");
    ASSERT_EQ(results.take("b", 0ms), nullptr);
    results.put("b", "123456");
    EXPECT_NE(results.take("a", 0ms), nullptr);
    EXPECT_EQ(results.take("b", 0ms), nullptr);
}

}  // namespace
}  // namespace allcores::concurrency
