// One channel: capacity, order, ends, many on both sides. After the lists of crossbeam's tests.
#include "concurrency/channel.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <numeric>
#include <thread>
#include <vector>

#include "channels.h"

namespace allcores::concurrency::testing {
namespace {

TEST(channel, capacity) {
    for (const std::size_t capacity : {1, 2, 3, 10}) {
        int_channel c(capacity);
        for (int round = 0; round < 3; ++round) {
            for (std::size_t i = 0; i < capacity; ++i) EXPECT_EQ(try_push(c, 1), status::done);
            EXPECT_EQ(try_push(c, 1), status::waiting);
            EXPECT_EQ(c.statistics().length, capacity);
            for (std::size_t i = 0; i < capacity; ++i) EXPECT_EQ(try_pop(c), 1);
            EXPECT_EQ(try_pop(c), nothing);
        }
    }
}

TEST(channel, an_item_that_is_refused_stays_with_the_caller) {
    int_channel c(0);
    item kept = make(7);
    ASSERT_EQ(c.try_push(kept), status::waiting);
    c.close();
    ASSERT_EQ(c.try_push(kept), status::closed);
    EXPECT_EQ(*kept, 7);
}

TEST(channel, first_in_first_out_also_for_those_who_wait) {
    int_channel c(1);
    ASSERT_EQ(push(c, 0), status::done);
    std::vector<std::thread> pushers;
    for (int i = 1; i < 6; ++i) {
        pushers.emplace_back([&c, i] { EXPECT_EQ(push(c, i), status::done); });
        until_pushers_wait(c, static_cast<std::size_t>(i));
    }
    for (int i = 0; i < 6; ++i) EXPECT_EQ(pop(c), i);
    for (std::thread& each : pushers) each.join();
}

TEST(channel, other_orders) {
    int_channel last_first(int_channel::unbounded, order::lifo);
    for (const int each : {1, 2, 3}) push(last_first, each);
    for (const int each : {3, 2, 1}) EXPECT_EQ(pop(last_first), each);

    // By tens; equal ones in the order they came.
    int_channel by_priority(
        int_channel::unbounded, order::priority,
        [](const item& one, const item& other) { return *one / 10 < *other / 10; });
    for (const int each : {21, 35, 12, 25, 11, 30, 23}) push(by_priority, each);
    for (const int each : {12, 11, 21, 25, 23, 35, 30}) EXPECT_EQ(pop(by_priority), each);
}

TEST(channel, zero_capacity_is_a_meeting) {
    int_channel c(0);
    EXPECT_EQ(try_push(c, 1), status::waiting);
    EXPECT_EQ(try_pop(c), nothing);
    std::atomic<bool> popped = false;
    std::thread pusher([&] {
        EXPECT_EQ(push(c, 7), status::done);
        EXPECT_TRUE(popped);
    });
    until_pushers_wait(c, 1);
    EXPECT_EQ(c.statistics().length, 0U);
    popped = true;
    EXPECT_EQ(try_pop(c), 7);
    pusher.join();

    std::thread popper([&] { EXPECT_EQ(pop(c), 8); });
    until_poppers_wait(c, 1);
    EXPECT_EQ(try_push(c, 8), status::done);
    popper.join();
}

TEST(channel, close_lets_what_is_inside_out_and_wakes_who_waits) {
    int_channel c(2);
    push(c, 1);
    push(c, 2);
    std::thread pusher([&] { EXPECT_EQ(push(c, 3), status::closed); });
    until_pushers_wait(c, 1);
    c.close();
    pusher.join();
    EXPECT_EQ(push(c, 4), status::closed);
    EXPECT_EQ(pop(c), 1);
    EXPECT_EQ(pop(c), 2);
    EXPECT_EQ(pop(c), closed);

    int_channel empty(0);
    std::vector<std::thread> poppers;
    poppers.reserve(3);
    for (int i = 0; i < 3; ++i) poppers.emplace_back([&] { EXPECT_EQ(pop(empty), closed); });
    until_poppers_wait(empty, 3);
    empty.close();
    for (std::thread& each : poppers) each.join();
}

TEST(channel, poison_drops_what_is_inside_and_wakes_who_waits) {
    int_channel c(1);
    push(c, 1);
    std::thread pusher([&] { EXPECT_EQ(push(c, 2), status::poisoned); });
    until_pushers_wait(c, 1);
    c.poison();
    pusher.join();
    EXPECT_EQ(pop(c), poisoned);
    EXPECT_EQ(push(c, 3), status::poisoned);
    c.put_back(make(4));
    EXPECT_EQ(try_pop(c), poisoned);
    EXPECT_TRUE(c.statistics().is_poisoned);
    EXPECT_EQ(c.statistics().unfinished, 0U);
}

TEST(channel, what_was_put_back_is_next) {
    int_channel c(2);
    for (const int each : {1, 2}) push(c, each);
    item first;
    c.try_pop(first);
    push(c, 3);
    c.put_back(std::move(first));
    for (const int each : {1, 2, 3}) EXPECT_EQ(try_pop(c), each);
    EXPECT_EQ(c.statistics().popped, 3U);

    std::thread popper([&] { EXPECT_EQ(pop(c), 9); });
    until_poppers_wait(c, 1);
    c.put_back(make(9));
    popper.join();
}

TEST(channel, a_wait_that_is_cancelled_takes_nothing) {
    int_channel c(0);
    {
        int_node only[] = {{&c, action::pop}};
        int_waiter waiting(only);
        EXPECT_FALSE(waiting.begin());
        EXPECT_EQ(c.statistics().waiting_to_pop, 1U);
        EXPECT_TRUE(waiting.cancel());
        EXPECT_TRUE(waiting.cancel());
    }
    EXPECT_EQ(c.statistics().waiting_to_pop, 0U);
    EXPECT_EQ(try_push(c, 1), status::waiting);
    {
        int_node only[] = {{&c, action::pop}};
        int_waiter waiting(only);
        EXPECT_FALSE(waiting.begin());
        EXPECT_EQ(try_push(c, 2), status::done);
        EXPECT_FALSE(waiting.cancel());
        EXPECT_EQ(*waiting.item(), 2);
    }
}

TEST(channel, another_capacity) {
    int_channel c(2);
    for (const int each : {1, 2}) push(c, each);
    c.set_capacity(1);
    EXPECT_EQ(try_push(c, 3), status::waiting);
    EXPECT_EQ(pop(c), 1);
    EXPECT_EQ(try_push(c, 3), status::waiting);
    std::thread pusher([&] { EXPECT_EQ(push(c, 4), status::done); });
    until_pushers_wait(c, 1);
    c.set_capacity(int_channel::unbounded);
    pusher.join();
    for (const int each : {2, 4}) EXPECT_EQ(pop(c), each);
}

TEST(channel, join_waits_for_all_that_was_pushed) {
    int_channel c(int_channel::unbounded);
    EXPECT_FALSE(c.task_done());
    for (const int each : {1, 2}) push(c, each);
    std::atomic<int> done = 0;
    int_node only[] = {{&c, action::join}};
    int_waiter waiting(only);
    EXPECT_FALSE(waiting.begin());
    std::thread worker([&] {
        while (done < 2) {
            pop(c);
            ++done;
            EXPECT_TRUE(c.task_done());
        }
    });
    wait_for(waiting);
    EXPECT_EQ(done, 2);
    worker.join();
    EXPECT_FALSE(c.task_done());
}

TEST(parker, a_wait_ends_when_its_time_is_over) {
    using outcome = parker::outcome;
    const auto before = std::chrono::steady_clock::now();
    outcome last;
    do last = parker::mine()->park(before + std::chrono::milliseconds(5));
    while (last != outcome::timed_out);
    EXPECT_GE(std::chrono::steady_clock::now(), before + std::chrono::milliseconds(5));
    parker::mine()->ring(0);
    EXPECT_EQ(parker::mine()->park(parker::time_point::max()), outcome::woken);
}

TEST(parker, looking_ends_by_what_happens_or_soon) {
    const std::shared_ptr<parker> own = std::make_shared<parker>();
    if (!sync::is_parallel()) GTEST_SKIP() << "nothing can happen while one core looks";
    EXPECT_TRUE(own->look(sync::now(), [] { return true; }));
    // In vain often, it is left out, but is tried again.
    int looks = 0;
    const auto never = [&] {
        ++looks;
        return false;
    };
    for (int i = 0; i < 5; ++i) EXPECT_FALSE(own->look(sync::now(), never));
    looks = 0;
    EXPECT_FALSE(own->look(sync::now(), never));
    EXPECT_EQ(looks, 0);
    for (int i = 0; i < 16; ++i) EXPECT_FALSE(own->look(sync::now(), never));
    EXPECT_GT(looks, 0);
}

class counting_alarm final : public alarm {
 public:
    void ring(std::uint64_t) noexcept override { ++rings; }
    int rings = 0;
};

TEST(channel, who_looks_itself_is_not_rung) {
    int_channel c(int_channel::unbounded);
    const auto bell = std::make_shared<counting_alarm>();
    {
        int_node only[] = {{&c, action::pop}};
        int_waiter looks(only);
        EXPECT_FALSE(looks.begin());
        EXPECT_EQ(try_push(c, 1), status::done);
        EXPECT_FALSE(looks.ask_for_ring(bell));
        EXPECT_TRUE(looks.finished());
        EXPECT_EQ(*looks.item(), 1);
    }
    EXPECT_EQ(bell->rings, 0);
    {
        int_node only[] = {{&c, action::pop}};
        int_waiter sleeps(only);
        EXPECT_FALSE(sleeps.begin());
        EXPECT_TRUE(sleeps.ask_for_ring(bell));
        EXPECT_EQ(try_push(c, 2), status::done);
        EXPECT_EQ(*sleeps.item(), 2);
    }
    EXPECT_EQ(bell->rings, 1);
    {
        int_node only[] = {{&c, action::pop}};
        int_waiter given_up(only);
        EXPECT_FALSE(given_up.begin());
        EXPECT_TRUE(given_up.ask_for_ring(bell));
        EXPECT_TRUE(given_up.cancel());
        EXPECT_EQ(try_push(c, 3), status::done);
    }
    EXPECT_EQ(bell->rings, 1);
    EXPECT_EQ(pop(c), 3);
}

// Held a little longer than others look for it, so that they sleep too.
TEST(sync, a_mutex_lets_one_in) {
    sync::mutex mutex;
    std::uint64_t count = 0;  // guarded
    constexpr std::uint64_t each = 20'000;
    std::vector<std::thread> all;
    for (int i = 0; i < 4; ++i) {
        all.emplace_back([&] {
            for (std::uint64_t k = 0; k < each; ++k) {
                const std::lock_guard lock(mutex);
                ++count;
                if (k % 100 == 0) std::this_thread::yield();
            }
        });
    }
    for (std::thread& one : all) one.join();
    EXPECT_EQ(count, 4 * each);
}

// Every item once, each pusher's items in order, whatever the capacity.
class many : public ::testing::TestWithParam<std::size_t> {};

TEST_P(many, on_both_sides) {
    constexpr int sides = 4;
    constexpr int each_pushes = 2000;
    int_channel c(GetParam());
    std::vector<std::vector<int>> got(sides);
    std::vector<std::thread> threads;
    std::atomic<int> pushing = sides;
    for (int side = 0; side < sides; ++side) {
        threads.emplace_back([&, side] {
            for (int i = 0; i < each_pushes; ++i)
                ASSERT_EQ(push(c, side * each_pushes + i), status::done);
            if (--pushing == 0) c.close();
        });
        threads.emplace_back([&, side] {
            for (int value = pop(c); value != closed; value = pop(c))
                got[static_cast<std::size_t>(side)].push_back(value);
        });
    }
    for (std::thread& each : threads) each.join();
    std::vector<int> all;
    for (const std::vector<int>& each : got) {
        std::vector<int> last(sides, -1);
        for (const int value : each) {
            int& before = last[static_cast<std::size_t>(value / each_pushes)];
            ASSERT_LT(before, value);
            before = value;
        }
        all.insert(all.end(), each.begin(), each.end());
    }
    std::ranges::sort(all);
    std::vector<int> wanted(sides * each_pushes);
    std::iota(wanted.begin(), wanted.end(), 0);
    EXPECT_EQ(all, wanted);
    const channel_statistics counted = c.statistics();
    EXPECT_EQ(counted.pushed, static_cast<std::uint64_t>(sides * each_pushes));
    EXPECT_EQ(counted.popped, counted.pushed);
}

INSTANTIATE_TEST_SUITE_P(capacities, many, ::testing::Values(0, 1, 3, 100, int_channel::unbounded));

// What a thread pushed before it pushed elsewhere is seen by who has popped the latter.
TEST(channel, linearizable) {
    for (int round = 0; round < 200; ++round) {
        int_channel c(4);
        std::vector<std::thread> threads;
        threads.reserve(4);
        for (int i = 0; i < 4; ++i) {
            threads.emplace_back([&] {
                EXPECT_EQ(push(c, 0), status::done);
                EXPECT_NE(try_pop(c), nothing);
            });
        }
        for (std::thread& each : threads) each.join();
        EXPECT_EQ(c.statistics().length, 0U);
    }
}

}  // namespace
}  // namespace allcores::concurrency::testing
