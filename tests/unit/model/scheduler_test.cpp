// The scheduler itself: it finds what is known to be there, and tries all there is.
#include "scheduler.h"

#include <gtest/gtest.h>

#include <array>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "concurrency/sync.h"

namespace model {
namespace {

namespace sync = allcores::concurrency::sync;
using number = sync::atomic<int>;

// Both add one, in two steps.
void lost_update(execution& run) {
    auto sum = std::make_shared<number>(0);
    for (int i = 0; i < 2; ++i) run.thread([sum] { sum->store(sum->load() + 1); });
    run.afterwards([sum] { check(sum->is(2), "an addition is lost"); });
}

TEST(scheduler, finds_a_lost_update_with_one_preemption) {
    const result none = explore(lost_update, {.preemptions = 0});
    EXPECT_FALSE(none.failed) << none.what;
    EXPECT_TRUE(none.complete);
    EXPECT_EQ(none.runs, 2U);  // either goes first
    const result one = explore(lost_update, {.preemptions = 1});
    EXPECT_TRUE(one.failed);
    EXPECT_TRUE(one.what.starts_with("an addition is lost\n  thread 0: load #0 (0)\n")) << one.what;
    EXPECT_TRUE(explore(lost_update, {.random_runs = 100}).failed);
}

TEST(scheduler, tries_every_order) {
    // Of two threads with two steps each: 4 over 2.
    std::set<std::string> orders;
    const result found = explore(
        [&](execution& run) {
            auto order = std::make_shared<std::string>();
            auto word = std::make_shared<number>(0);
            for (const char name : {'a', 'b'}) {
                run.thread([=] {
                    for (int i = 0; i < 2; ++i) {
                        word->store(0);
                        *order += name;
                    }
                });
            }
            run.afterwards([&orders, order] { orders.insert(*order); });
        },
        {.preemptions = 4});
    EXPECT_TRUE(found.complete);
    EXPECT_EQ(orders, std::set<std::string>({"aabb", "abab", "abba", "baab", "baba", "bbaa"}));
}

TEST(scheduler, finds_locks_taken_in_different_orders) {
    const result found = explore([](execution& run) {
        auto locks = std::make_shared<std::array<sync::mutex, 2>>();
        for (const unsigned first : {0U, 1U}) {
            run.thread([=] {
                const std::lock_guard one((*locks)[first]);
                const std::lock_guard other((*locks)[1 - first]);
            });
        }
    });
    EXPECT_TRUE(found.failed);
    EXPECT_TRUE(found.what.starts_with("everybody waits")) << found.what;
    EXPECT_TRUE(found.what.ends_with("thread 0 waits for a lock\n  thread 1 waits for a lock\n"))
        << found.what;
}

TEST(scheduler, finds_a_wait_for_what_does_not_come) {
    const result busy = explore([](execution& run) {
        auto word = std::make_shared<number>(0);
        run.thread([word] {
            while (word->load() == 0) continue;
        });
    });
    EXPECT_TRUE(busy.failed);
    EXPECT_TRUE(busy.what.starts_with("there is no end in sight")) << busy.what;
}

TEST(scheduler, who_yields_gives_all_others_a_turn) {
    const result found = explore([](execution& run) {
        auto word = std::make_shared<number>(0);
        for (int i = 0; i < 2; ++i) {
            run.thread([word] {
                while (word->load() == 0) sync::yield();
            });
        }
        run.thread([word] { word->store(1); });
    });
    EXPECT_FALSE(found.failed) << found.what;
    EXPECT_TRUE(found.complete);
}

TEST(scheduler, a_time_limit_may_be_over_at_any_time) {
    std::set<bool> seen;
    const result found = explore([&](execution& run) {
        auto word = std::make_shared<sync::atomic<std::uint32_t>>(0);
        run.thread([&seen, word] {
            const auto until = sync::now() + std::chrono::milliseconds(1);
            const auto how = sync::sleep(*word, 0, until);
            check((how == sync::sleep_end::timed_out) == (sync::now() >= until), "the clock");
            seen.insert(how == sync::sleep_end::woken);
        });
        run.thread([word] {
            word->store(1);
            sync::wake(*word);
        });
    });
    EXPECT_FALSE(found.failed) << found.what;
    EXPECT_EQ(seen, std::set<bool>({false, true}));
}

TEST(scheduler, finds_the_use_of_what_is_no_more) {
    const result found = explore([](execution& run) {
        auto there = std::make_shared<std::optional<number>>(0);
        run.thread([there] { there->reset(); });
        run.thread([there] {
            if (there->has_value()) (*there)->load();
        });
    });
    EXPECT_TRUE(found.failed);
    EXPECT_TRUE(found.what.starts_with("something was used after its end")) << found.what;
}

}  // namespace
}  // namespace model
