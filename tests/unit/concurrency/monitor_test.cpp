#include "concurrency/monitor.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <latch>
#include <thread>
#include <vector>

namespace allcores::concurrency {
namespace {

using outcome = monitor::outcome;
using clock = std::chrono::steady_clock;

// As callers do it: in slices, until it is decided.
outcome take(monitor& wanted) {
    if (wanted.try_take()) return outcome::taken;
    for (;;) {
        const outcome result = wanted.wait(clock::now() + std::chrono::milliseconds(100));
        if (result != outcome::not_yet) return result;
    }
}

TEST(monitor, is_taken_several_times_by_one_thread) {
    monitor one;
    EXPECT_FALSE(one.release());
    EXPECT_TRUE(one.try_take());
    EXPECT_TRUE(one.try_take());
    EXPECT_TRUE(one.is_mine());
    std::thread([&] {
        EXPECT_FALSE(one.try_take());
        EXPECT_FALSE(one.release());
        EXPECT_FALSE(one.is_mine());
        EXPECT_EQ(one.wait(clock::now()), outcome::not_yet);
    }).join();
    EXPECT_TRUE(one.release());
    std::thread([&] { EXPECT_FALSE(one.try_take()); }).join();
    EXPECT_TRUE(one.release());
    EXPECT_FALSE(one.release());
    std::thread([&] {
        EXPECT_TRUE(one.try_take());
        EXPECT_TRUE(one.release());
    }).join();
}

TEST(monitor, one_thread_at_a_time_is_inside) {
    monitor one;
    long counted = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++) {
        threads.emplace_back([&] {
            for (int each = 0; each < 20'000; each++) {
                ASSERT_EQ(take(one), outcome::taken);
                counted++;  // (ThreadSanitizer sees whether it is guarded)
                one.release();
            }
        });
    }
    for (auto& each : threads) each.join();
    EXPECT_EQ(counted, 80'000);
}

TEST(monitor, a_wait_is_woken) {
    monitor one;
    ASSERT_TRUE(one.try_take());
    std::latch waits(1);
    std::thread other([&] {
        waits.count_down();
        EXPECT_EQ(take(one), outcome::taken);
        one.release();
    });
    waits.wait();
    one.release();
    other.join();
}

TEST(monitor, a_circle_is_a_deadlock) {
    constexpr std::size_t count = 3;
    monitor all[count];
    std::latch hold(count);
    std::atomic<int> deadlocks = 0, taken = 0;
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < count; i++) {
        threads.emplace_back([&, i] {
            ASSERT_TRUE(all[i].try_take());
            hold.arrive_and_wait();
            if (take(all[(i + 1) % count]) == outcome::deadlock) {
                deadlocks++;
            } else {
                taken++;
                all[(i + 1) % count].release();
            }
            all[i].release();
        });
    }
    for (auto& each : threads) each.join();
    EXPECT_GE(deadlocks, 1);
    EXPECT_EQ(deadlocks + taken, static_cast<int>(count));
}

TEST(monitor, a_thread_that_ends_holds_nothing) {
    monitor one;
    std::thread([&] {
        EXPECT_TRUE(one.try_take());
        EXPECT_TRUE(one.try_take());
    }).join();
    EXPECT_EQ(take(one), outcome::taken);
    EXPECT_TRUE(one.release());
    EXPECT_FALSE(one.is_mine());
}

}  // namespace
}  // namespace allcores::concurrency
