// concurrency/parker under the scheduler: no ring is lost.
#include "scenarios.h"

namespace model {
namespace {

struct meeting {
    sync::atomic<int> rings{0};
    parker bell;
};

void one_waits(execution& run, int ringers, bool has_limit) {
    auto both = std::make_shared<meeting>();
    run.thread([=] {
        while (both->rings.load() == 0) {
            const auto until =
                has_limit ? sync::now() + std::chrono::milliseconds(1) : parker::time_point::max();
            const auto how = both->bell.park(until);
            check(has_limit || how == parker::outcome::woken, "woken by nobody");
        }
    });
    for (int i = 0; i < ringers; ++i) {
        run.thread([both] {
            both->rings.store(1);
            both->bell.ring(0);
        });
    }
}

TEST(parker_model, a_ring_wakes) {
    for (const bool spins : {false, true}) {
        expect_right([](execution& run) { one_waits(run, 1, false); }, 4, spins);
        expect_right([](execution& run) { one_waits(run, 2, false); }, 2, spins);
        expect_right([](execution& run) { one_waits(run, 1, true); }, 3, spins);
    }
}

TEST(parker_model, a_ring_while_the_time_ends_is_kept_or_told) {
    expect_right(
        [](execution& run) {
            auto bell = std::make_shared<parker>();
            run.thread([bell] {
                const auto limit = sync::now() + std::chrono::milliseconds(1);
                // Without a limit, this would sleep for ever, had the ring been dropped.
                if (bell->park(limit) == parker::outcome::timed_out)
                    bell->park(parker::time_point::max());
            });
            run.thread([bell] { bell->ring(0); });
        },
        4);
}

TEST(parker_model, a_sleep_that_does_not_look_again_is_found) {
    const result found = explore([](execution& run) { one_waits(run, 1, false); }, {},
                                 {.sleeps_without_looking = true});
    EXPECT_TRUE(found.failed);
    EXPECT_TRUE(found.what.starts_with("everybody waits")) << found.what;
    EXPECT_TRUE(found.what.ends_with("thread 0 sleeps\n")) << found.what;
}

}  // namespace
}  // namespace model
