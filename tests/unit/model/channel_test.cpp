// concurrency/channel and waiter under the scheduler: push, pop, their ends, queues.
#include <algorithm>
#include <numeric>

#include "scenarios.h"

namespace model {
namespace {

constexpr std::size_t unbounded = int_channel::unbounded;

// A channel, and what came out of it.
struct stage {
    explicit stage(std::size_t capacity) : where(capacity) {}
    int_channel where;
    std::vector<int> popped;

    // Each number from 1 on, once.
    bool has_all(std::size_t count) {
        std::ranges::sort(popped);
        std::vector<int> all(count);
        std::iota(all.begin(), all.end(), 1);
        return popped == all;
    }
};

void begin_and_give_up(int_channel& where) {
    int_node only[] = {{&where, action::pop}};
    int_waiter waiting(only);
    waiting.begin();
    waiting.give_up();
}

scenario traffic(std::size_t capacity, int pushers, int poppers, int each) {
    return [=](execution& run) {
        auto all = std::make_shared<stage>(capacity);
        for (int i = 0; i < pushers; ++i) {
            run.thread([=] {
                for (int k = 1; k <= each; ++k)
                    check(push(all->where, i * each + k) == status::done, "push");
            });
        }
        for (int i = 0; i < poppers; ++i) {
            run.thread([=] {
                for (int k = 0; k < pushers * each / poppers; ++k)
                    all->popped.push_back(pop(all->where));
            });
        }
        run.afterwards([=] {
            if (pushers == 1 && poppers == 1)
                check(std::ranges::is_sorted(all->popped), "the order is another");
            check(all->has_all(static_cast<std::size_t>(pushers * each)), "lost, or twice");
            const auto counted = all->where.statistics();
            check(
                counted.length == 0 && counted.waiting_to_pop == 0 && counted.waiting_to_push == 0,
                "something is left");
        });
    };
}

class capacities : public ::testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(channel_model, capacities, ::testing::Values(0, 1, unbounded));

TEST_P(capacities, one_pushes_one_pops) {
    expect_right(traffic(GetParam(), 1, 1, 2), 2);
    expect_right(traffic(GetParam(), 1, 1, 1), 3, true);
}

TEST_P(capacities, two_push_one_pops) {
    expect_right(traffic(GetParam(), 2, 1, 1));
}

TEST_P(capacities, one_pushes_two_pop) {
    expect_right(traffic(GetParam(), 1, 2, 2));
}

TEST_P(capacities, two_push_two_pop) {
    expect_right_at_random(traffic(GetParam(), 2, 2, 2));
}

// What was pushed is popped or inside, whenever the end comes.
scenario an_end(std::size_t capacity, bool poison) {
    return [=](execution& run) {
        auto all = std::make_shared<stage>(capacity);
        auto pushed = std::make_shared<std::size_t>(0);
        const int over = poison ? poisoned : closed;
        run.thread([=] {
            for (int i = 1; i <= 2; ++i) {
                const status how = push(all->where, i);
                if (how == status::done) ++*pushed;
                check(how == status::done || how == (poison ? status::poisoned : status::closed),
                      "push");
            }
        });
        run.thread([=] {
            for (int value = pop(all->where); value != over; value = pop(all->where))
                all->popped.push_back(value);
        });
        run.thread([=] { poison ? all->where.poison() : all->where.close(); });
        run.afterwards([=] {
            const std::size_t out = all->popped.size();
            check(poison ? out <= *pushed : out == *pushed, "lost");
            check(std::ranges::is_sorted(all->popped) && all->has_all(out), "twice, or another");
        });
    };
}

TEST_P(capacities, close_wakes_everybody_and_loses_nothing) {
    expect_right(an_end(GetParam(), false));
}

TEST_P(capacities, poison_wakes_everybody) {
    expect_right(an_end(GetParam(), true));
}

TEST_P(capacities, a_time_limit_loses_nothing) {
    expect_right([](execution& run) {
        auto all = std::make_shared<stage>(GetParam());
        run.thread([all] {
            const int value = pop_a_while(all->where);
            if (value != nothing) all->popped.push_back(value);
        });
        run.thread([all] {
            if (GetParam() == 0) {
                // Nobody may come any more: then it is not pushed either.
                int_node only[] = {{&all->where, action::push, make(1)}};
                int_waiter waiting(only);
                const bool pushed = waiting.begin() || wait_a_while(waiting);
                check(pushed == !static_cast<bool>(only[0].item), "pushed and still here");
                if (!pushed) all->popped.push_back(1);
            } else {
                push(all->where, 1);
            }
        });
        run.afterwards([all] {
            const int left = try_pop(all->where);
            if (left != nothing) all->popped.push_back(left);
            check(all->has_all(1), "lost, or twice");
        });
    });
}

TEST_P(capacities, who_gives_up_puts_back_in_front) {
    expect_right([](execution& run) {
        auto all = std::make_shared<stage>(GetParam());
        run.thread([all] {
            begin_and_give_up(all->where);
            for (int i = 0; i < 2; ++i) all->popped.push_back(pop(all->where));
        });
        run.thread([all] {
            for (int i = 1; i <= 2; ++i) push(all->where, i);
        });
        run.afterwards([all] { check(all->popped == std::vector({1, 2}), "another order"); });
    });
}

// Another may have popped the second item while this one had the first; but none is lost.
TEST_P(capacities, who_gives_up_beside_another_who_pops) {
    expect_right([](execution& run) {
        auto all = std::make_shared<stage>(GetParam());
        run.thread([all] { begin_and_give_up(all->where); });
        run.thread([all] {
            for (int i = 1; i <= 2; ++i) push(all->where, i);
        });
        run.thread([all] {
            for (int i = 0; i < 2; ++i) all->popped.push_back(pop(all->where));
        });
        run.afterwards([all] { check(all->has_all(2), "lost, or twice"); });
    });
}

TEST(channel_model, an_item_put_back_goes_to_who_waits) {
    expect_right([](execution& run) {
        auto all = std::make_shared<stage>(0);
        run.thread([all] { all->where.put_back(make(1)); });
        run.thread([all] { all->popped.push_back(pop(all->where)); });
        run.afterwards([all] { check(all->has_all(1), "lost"); });
    });
}

TEST(channel_model, more_room_lets_those_in_who_wait) {
    expect_right([](execution& run) {
        auto all = std::make_shared<stage>(1);
        for (int i = 1; i <= 2; ++i) run.thread([=] { push(all->where, i); });
        run.thread([all] { all->where.set_capacity(2); });
    });
}

TEST(channel_model, join_returns_when_all_is_done) {
    expect_right([](execution& run) {
        auto all = std::make_shared<stage>(unbounded);
        all->where.put_back(make(0));  // counts for nothing
        run.thread([all] {
            for (int i = 1; i <= 2; ++i) push(all->where, i);
            int_node only[] = {{&all->where, action::join}};
            int_waiter waiting(only);
            if (!waiting.begin()) wait_for(waiting);
            check(all->popped.size() >= 2, "too early");
        });
        run.thread([all] {
            for (int i = 0; i < 3; ++i) {
                const int value = pop(all->where);
                all->popped.push_back(value);
                if (value != 0) check(all->where.task_done(), "nothing to do");
            }
        });
    });
}

TEST(channel_model, locks_that_let_everybody_in_are_found) {
    const result found =
        explore(traffic(1, 2, 2, 2), {.random_runs = 3000}, {.locks_let_everybody_in = true});
    EXPECT_TRUE(found.failed);
}

TEST(channel_model, a_lost_wake_up_is_found) {
    const result found = explore(traffic(0, 1, 1, 1), {}, {.sleeps_without_looking = true});
    EXPECT_TRUE(found.failed);
    EXPECT_TRUE(found.what.starts_with("everybody waits")) << found.what;
}

}  // namespace
}  // namespace model
