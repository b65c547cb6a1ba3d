#include "concurrency/duty.h"

#include <gtest/gtest.h>

#include <atomic>
#include <semaphore>
#include <thread>
#include <vector>

namespace allcores::concurrency {
namespace {

using std::chrono::microseconds;

std::uint64_t now() {
    return static_cast<std::uint64_t>(
        std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count());
}

// A worker that serves events which the test hands out, and may be held up by one.
struct crew {
    crew(unsigned count, unsigned on_duty) : duties(count, on_duty, microseconds(200)) {
        for (unsigned i = 0; i < count; ++i) {
            threads.emplace_back([this, i] { work(i); });
        }
    }
    ~crew() {
        finished = true;
        duties.end();
        events.release(1000);
        held.release(1000);
    }

    void work(unsigned number) {
        duties.join(number);
        while (!finished) {
            events.acquire();
            duties.begin(number, now());
            if (hold_up.fetch_sub(1) > 0) {
                ++holding;
                holding.notify_all();
                held.acquire();
            } else {
                ++served;
                served.notify_all();
            }
            if (duties.finish(number)) duties.join(number);
        }
        duties.leave(number);
    }

    void hold_up_next(int count) {
        hold_up = count;
        events.release(count);
        for (int now = holding; now < count; now = holding) holding.wait(now);
    }

    void serve(int count) {
        const int wanted = served + count;
        hold_up = 0;
        events.release(count);
        for (int now = served; now < wanted; now = served) served.wait(now);
    }

    duty duties;
    std::counting_semaphore<> events{0};
    std::counting_semaphore<> held{0};
    std::atomic<int> hold_up{0};
    std::atomic<int> holding{0};
    std::atomic<int> served{0};
    std::atomic<bool> finished{false};
    std::vector<std::jthread> threads;
};

void wait_for_resting(duty& duties, unsigned count) {
    while (duties.resting() != count) std::this_thread::yield();
}

TEST(Duty, OnlySoManyAreOnDuty) {
    crew some(5, 2);
    wait_for_resting(some.duties, 3);
    some.serve(1000);
    wait_for_resting(some.duties, 3);
}

TEST(Duty, EverybodyIsWhenThereAreNotMore) {
    crew all(3, 3);
    all.serve(100);
    EXPECT_EQ(all.duties.resting(), 0U);
}

TEST(Duty, WhoIsHeldUpIsReplaced) {
    crew some(4, 2);
    wait_for_resting(some.duties, 2);
    some.hold_up_next(2);  // both that were on duty
    some.serve(50);        // by the two that rested
    wait_for_resting(some.duties, 0);
    some.held.release(2);
    some.serve(50);
    wait_for_resting(some.duties, 2);
}

TEST(Duty, TheLastOneServesWhenAllOthersAreHeldUp) {
    crew some(8, 2);
    some.hold_up_next(7);
    some.serve(100);
    some.held.release(7);
    some.serve(100);
    wait_for_resting(some.duties, 6);
}

TEST(Duty, WhoIsHeldUpIsReplacedAfterALongQuiet) {
    crew some(3, 1);
    for (int i = 0; i < 3; ++i) {
        wait_for_resting(some.duties, 2);
        some.hold_up_next(1);
        some.serve(1);
        some.held.release(1);
        some.holding = 0;
    }
}

// Of four, two may be on duty at a time.
TEST(Duty, WhoHasNotComeYetIsNotCounted) {
    duty duties(4, 2, microseconds(200));
    const auto held_up = [] { return now() - 1'000'000; };  // since longer than the patience
    duties.join(0);
    duties.begin(0, held_up());
    EXPECT_FALSE(duties.finish(0));  // nobody was there to take its place
    duties.join(1);                  // returns: the second place is free
    EXPECT_EQ(duties.resting(), 0U);
    duties.begin(0, held_up());
    duties.begin(1, now());  // sees that the first is held up
    EXPECT_FALSE(duties.finish(1));
    duties.join(2);  // returns: the place that became free has waited for it
    std::jthread fourth([&] { duties.join(3); });
    wait_for_resting(duties, 1);
    EXPECT_TRUE(duties.finish(0));  // somebody came: it has to rest
    duties.leave(1);                // which lets the fourth in
    fourth.join();
    EXPECT_EQ(duties.resting(), 0U);
}

TEST(Duty, WhoComesLateTakesTheWatch) {
    duty duties(3, 1, microseconds(200));
    duties.join(0);
    std::jthread late([&] { duties.join(1); });
    wait_for_resting(duties, 1);
    duties.begin(0, now());  // for ever: who rests keeps watch, and takes the place
    late.join();
    EXPECT_TRUE(duties.finish(0));
}

TEST(Duty, WhoeverRestsIsWokenByTheEnd) {
    crew some(6, 1);
    wait_for_resting(some.duties, 5);
}  // joins all

TEST(Duty, EventsWithoutPauseFromManyThreads) {
    crew some(6, 2);
    for (int i = 0; i < 20; ++i) {
        some.holding = 0;
        some.hold_up_next(i % 5);
        some.serve(500);
        some.held.release(i % 5);
    }
}

}  // namespace
}  // namespace allcores::concurrency
