// Waiting at several channels at once. After Go's chan_test.go and crossbeam's select tests.
#include <atomic>
#include <memory>
#include <thread>

#include "channels.h"

namespace allcores::concurrency::testing {
namespace {

// Go's TestNonblockSelectRace: one of two channels always has an item, so a select that does not
// wait finds one.
TEST(select, that_does_not_wait_misses_nothing) {
    for (int i = 0; i < 3000; ++i) {
        int_channel one(1);
        int_channel two(1);
        push(one, 1);
        std::thread mover([&] {
            push(two, 1);
            pop(one);
        });
        int_node cases[] = {{&one, action::pop}, {&two, action::pop}};
        int_waiter waiting(cases);
        EXPECT_TRUE(waiting.begin(true));
        two.close();
        one.close();
        mover.join();
    }
}

// Go's TestPseudoRandomSend.
TEST(select, among_equals_is_fair) {
    for (const std::size_t capacity : {0, 1}) {
        int_channel c(capacity);
        constexpr int count = 1000;
        int ones = 0;
        std::thread popper([&] {
            for (int i = 0; i < count; ++i) ones += pop(c);
        });
        for (int i = 0; i < count; ++i) {
            int_node cases[] = {{&c, action::push, make(0)}, {&c, action::push, make(1)}};
            int_waiter waiting(cases);
            if (!waiting.begin()) wait_for(waiting);
        }
        popper.join();
        EXPECT_GT(ones, count / 10);
        EXPECT_LT(ones, count - count / 10);
    }
    int_channel first(int_channel::unbounded);
    int_channel second(int_channel::unbounded);
    for (int i = 0; i < 1000; ++i) {
        push(first, 0);
        push(second, 0);
    }
    int taken[2] = {0, 0};
    for (int i = 0; i < 1000; ++i) {
        int_node cases[] = {{&first, action::pop}, {&second, action::pop}};
        int_waiter waiting(cases);
        ASSERT_TRUE(waiting.begin());
        ++taken[waiting.index()];
    }
    EXPECT_GT(taken[0], 300);
    EXPECT_GT(taken[1], 300);
}

// Go's TestSelfSelect: a select never takes from itself what it pushes.
TEST(select, does_not_meet_itself) {
    for (const std::size_t capacity : {0, 10}) {
        int_channel c(capacity);
        std::vector<std::thread> threads;
        for (int side = 0; side < 2; ++side) {
            threads.emplace_back([&, side] {
                for (int i = 0; i < 1000; ++i) {
                    int_node cases[] = {{&c, action::push, make(side)}, {&c, action::pop}};
                    if (i % 2 != 0) std::swap(cases[0].what, cases[1].what);
                    if (i % 2 != 0) std::swap(cases[0].item, cases[1].item);
                    int_waiter waiting(cases);
                    if (!waiting.begin()) wait_for(waiting);
                    ASSERT_EQ(waiting.result(), status::done);
                    const bool popped = cases[waiting.index()].what == action::pop;
                    if (popped && capacity == 0) {
                        ASSERT_NE(*waiting.item(), side);
                    }
                }
            });
            if (capacity == 0) break;
        }
        if (capacity == 0) {
            // One partner that always pops or pushes what the other wants.
            for (int i = 0; i < 1000; ++i) {
                int_node cases[] = {{&c, action::push, make(1)}, {&c, action::pop}};
                int_waiter waiting(cases);
                if (!waiting.begin()) wait_for(waiting);
                ASSERT_EQ(waiting.result(), status::done);
                if (cases[waiting.index()].what == action::pop) {
                    ASSERT_EQ(*waiting.item(), 0);
                }
            }
        }
        for (std::thread& each : threads) each.join();
    }
}

// Go's TestSelectFairness, between channels that are waited at.
TEST(select, fan_in_takes_every_item_once) {
    constexpr int sources = 4;
    constexpr int count = 1000;
    std::vector<std::unique_ptr<int_channel>> channels;
    channels.reserve(sources);
    for (int i = 0; i < sources; ++i)
        channels.push_back(std::make_unique<int_channel>(static_cast<std::size_t>(i)));
    std::vector<std::thread> pushers;
    pushers.reserve(channels.size());
    for (const auto& each : channels) {
        pushers.emplace_back([&each] {
            for (int i = 0; i < count; ++i) ASSERT_EQ(push(*each, i), status::done);
        });
    }
    std::atomic<int> left = sources * count;
    std::atomic<std::int64_t> sum = 0;
    std::vector<std::thread> poppers;
    poppers.reserve(2);
    for (int i = 0; i < 2; ++i) {
        poppers.emplace_back([&] {
            while (left.fetch_sub(1) > 0) {
                std::vector<int_node> cases(sources);
                for (std::size_t k = 0; k < cases.size(); ++k) cases[k].where = channels[k].get();
                int_waiter waiting(cases);
                if (!waiting.begin()) wait_for(waiting);
                ASSERT_EQ(waiting.result(), status::done);
                sum += *waiting.item();
            }
        });
    }
    for (std::thread& each : pushers) each.join();
    for (std::thread& each : poppers) each.join();
    EXPECT_EQ(sum, std::int64_t(sources) * count * (count - 1) / 2);
    for (const auto& each : channels) EXPECT_EQ(each->statistics().waiting_to_pop, 0U);
}

// Many selects at the same two rendezvous, with everyone able to take from everyone.
TEST(select, atomic_among_selects) {
    int_channel one(0);
    int_channel two(0);
    constexpr int count = 3000;
    std::atomic<int> pushed = 0;
    std::atomic<int> popped = 0;
    std::vector<std::thread> threads;
    threads.reserve(4);
    for (int side = 0; side < 4; ++side) {
        threads.emplace_back([&, side] {
            const action what = side % 2 == 0 ? action::push : action::pop;
            for (int i = 0; i < count; ++i) {
                int_node cases[] = {{&one, what, make(1)}, {&two, what, make(1)}};
                int_waiter waiting(cases);
                if (!waiting.begin()) wait_for(waiting);
                ASSERT_EQ(waiting.result(), status::done);
                if (what == action::push) {
                    ++pushed;
                    // The item of the other case is still here.
                    ASSERT_TRUE(static_cast<bool>(cases[1 - waiting.index()].item));
                    ASSERT_FALSE(static_cast<bool>(cases[waiting.index()].item));
                } else {
                    popped += *waiting.item();
                }
            }
        });
    }
    for (std::thread& each : threads) each.join();
    EXPECT_EQ(pushed, 2 * count);
    EXPECT_EQ(popped, 2 * count);
    EXPECT_EQ(one.statistics().pushed + two.statistics().pushed, std::uint64_t(2 * count));
}

TEST(select, a_closed_channel_ends_it) {
    int_channel open(0);
    int_channel closing(0);
    int_node cases[] = {{&open, action::pop}, {&closing, action::pop}};
    int_waiter waiting(cases);
    EXPECT_FALSE(waiting.begin());
    closing.close();
    EXPECT_TRUE(waiting.finished());
    EXPECT_EQ(waiting.index(), 1U);
    EXPECT_EQ(waiting.result(), status::closed);
    EXPECT_EQ(try_push(open, 1), status::waiting);
}

// Go's chameneos: no wake-up is lost under many short waits with cancelling in between.
TEST(select, cancelling_loses_nothing) {
    int_channel c(0);
    constexpr int count = 5000;
    std::thread pusher([&] {
        for (int i = 0; i < count; ++i) ASSERT_EQ(push(c, i), status::done);
    });
    int expected = 0;
    while (expected < count) {
        int_node only[] = {{&c, action::pop}};
        int_waiter waiting(only);
        if (!waiting.begin() && waiting.cancel()) {
            std::this_thread::yield();
            continue;
        }
        ASSERT_EQ(*waiting.item(), expected++);
    }
    pusher.join();
}

// Everyone gives up at random, also what has been popped for them: each item comes out once.
TEST(select, giving_up_loses_nothing) {
    int_channel one(0);
    int_channel two(3);
    constexpr int count = 4000;
    std::atomic<std::int64_t> sum = 0;
    std::atomic<int> popped = 0;
    std::vector<std::thread> threads;
    for (int_channel* each : {&one, &two}) {
        threads.emplace_back([&, each] {
            for (int i = 0; i < count; ++i) ASSERT_EQ(push(*each, i), status::done);
        });
    }
    for (int side = 0; side < 3; ++side) {
        threads.emplace_back([&] {
            while (popped < 2 * count) {
                int_node cases[] = {{&one, action::pop}, {&two, action::pop}};
                int_waiter waiting(cases);
                if (!waiting.begin() && sync::random_below(2) == 0) std::this_thread::yield();
                if (!waiting.finished() || sync::random_below(4) == 0) {
                    waiting.give_up();
                    continue;
                }
                sum += *waiting.item();
                ++popped;
            }
        });
    }
    for (std::thread& each : threads) each.join();
    EXPECT_EQ(popped, 2 * count);
    EXPECT_EQ(sum, std::int64_t(count) * (count - 1));
    EXPECT_EQ(one.statistics().length + two.statistics().length, 0U);
}

}  // namespace
}  // namespace allcores::concurrency::testing
