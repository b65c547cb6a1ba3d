// Selects under the scheduler: exactly one of the cases happens, and none is lost.
#include <algorithm>
#include <vector>

#include "scenarios.h"

namespace model {
namespace {

struct two_channels {
    explicit two_channels(std::size_t capacity) : one(capacity), other(capacity) {}
    int_channel one;
    int_channel other;
    int selected = nothing;
    int left = nothing;
};

// What a select of two cases popped, or -100 - the number of the case that pushed.
int select(int_node first, int_node second) {
    int_node both[] = {std::move(first), std::move(second)};
    int_waiter waiting(both);
    if (!waiting.begin()) wait_for(waiting);
    check(waiting.result() == status::done, "select");
    if (both[waiting.index()].what == action::push) return -100 - static_cast<int>(waiting.index());
    return value_of(waiting.result(), waiting.item());
}

int_node pops(int_channel& where) {
    return {&where, action::pop};
}

int_node pushes(int_channel& where, int value) {
    return {&where, action::push, make(value)};
}

// One selects from two channels into each of which somebody pushes.
scenario two_pushers(std::size_t capacity) {
    return [=](execution& run) {
        auto all = std::make_shared<two_channels>(capacity);
        run.thread([all] { push(all->one, 1); });
        run.thread([all] { push(all->other, 2); });
        run.thread([all] {
            all->selected = select(pops(all->one), pops(all->other));
            all->left = select(pops(all->one), pops(all->other));
        });
        run.afterwards([all] { check(all->selected + all->left == 3, "lost, or twice"); });
    };
}

TEST(select_model, takes_one_of_two) {
    for (const std::size_t capacity : {std::size_t{0}, std::size_t{1}})
        expect_right(two_pushers(capacity));
    expect_right_at_random(two_pushers(0));
    expect_right_at_random(two_pushers(1));
}

TEST(select_model, pushes_and_pops_at_one_channel_meet_each_other) {
    expect_right([](execution& run) {
        auto all = std::make_shared<two_channels>(0);
        auto sum = std::make_shared<std::vector<int>>();
        for (int i = 0; i < 2; ++i) {
            run.thread([=] { sum->push_back(select(pushes(all->one, i + 1), pops(all->one))); });
        }
        run.afterwards([=] {
            std::ranges::sort(*sum);
            check((*sum)[0] == -100 && (*sum)[1] > 0, "both did the same");
        });
    });
}

// Each pushes into one and pops from the other, in the opposite order.
TEST(select_model, no_order_of_locks_matters) {
    expect_right([](execution& run) {
        auto all = std::make_shared<two_channels>(0);
        run.thread([=] {
            const int came = select(pushes(all->one, 1), pops(all->other));
            check(came == -100 || came == 2, "another item");
        });
        run.thread([=] {
            const int came = select(pushes(all->other, 2), pops(all->one));
            check(came == -100 || came == 1, "another item");
        });
    });
}

TEST(select_model, selects_on_both_sides) {
    const scenario crossed = [](execution& run) {
        auto all = std::make_shared<two_channels>(0);
        auto came = std::make_shared<std::vector<int>>();
        for (int i = 0; i < 2; ++i) {
            run.thread([=] { select(pushes(all->one, i + 1), pushes(all->other, i + 1)); });
            run.thread([=] { came->push_back(select(pops(all->other), pops(all->one))); });
        }
        run.afterwards([=] {
            std::ranges::sort(*came);
            check(*came == std::vector({1, 2}), "lost, or twice");
        });
    };
    expect_right_at_random(crossed);
}

TEST(select_model, a_close_ends_it_once) {
    expect_right([](execution& run) {
        auto all = std::make_shared<two_channels>(1);
        run.thread([all] {
            int_node both[] = {pops(all->one), pops(all->other)};
            int_waiter waiting(both);
            if (!waiting.begin()) wait_for(waiting);
            const bool by_close = waiting.index() == 0 && waiting.result() == status::closed;
            const bool by_item = waiting.index() == 1 && waiting.result() == status::done;
            check(by_close || by_item, "neither");
            all->selected = by_item ? *waiting.item() : nothing;
        });
        run.thread([all] { all->one.close(); });
        run.thread([all] { push(all->other, 1); });
        run.afterwards([all] {
            all->left = try_pop(all->other);
            check((all->selected == 1) != (all->left == 1), "lost, or twice");
        });
    });
}

TEST(select_model, one_that_gives_up_has_done_nothing) {
    expect_right([](execution& run) {
        auto all = std::make_shared<two_channels>(1);
        run.thread([all] {
            int_node both[] = {pops(all->one), pops(all->other)};
            int_waiter waiting(both);
            if (waiting.begin() || wait_a_while(waiting)) waiting.give_up();
        });
        run.thread([all] { push(all->one, 1); });
        run.thread([all] { push(all->other, 2); });
        run.afterwards([all] {
            check(try_pop(all->one) == 1 && try_pop(all->other) == 2, "lost");
            check(all->one.statistics().waiting_to_pop == 0, "still waits");
        });
    });
}

TEST(select_model, a_claim_in_two_steps_is_found) {
    const result found = explore(two_pushers(0), {.preemptions = 3}, {.claims_in_two_steps = true});
    EXPECT_TRUE(found.failed);
}

}  // namespace
}  // namespace model
