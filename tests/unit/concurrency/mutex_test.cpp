#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "concurrency/sync.h"

namespace allcores::concurrency {
namespace {

// Whoever has it lets others run now and then, who find it taken and sleep.
TEST(Mutex, LetsOneInAndWakesAllWhoSleep) {
    constexpr int threads = 6, times = 20'000, between_yields = 50;
    sync::mutex mutex;
    long count = 0;
    std::vector<std::jthread> some;
    for (int i = 0; i < threads; i++) {
        some.emplace_back([&] {
            for (int j = 0; j < times; j++) {
                mutex.lock();
                const long before = count;
                if (j % between_yields == 0) {
                    for (int k = 0; k < 10; k++) std::this_thread::yield();
                }
                count = before + 1;
                mutex.unlock();
            }
        });
    }
    some.clear();
    EXPECT_EQ(count, long{threads} * times);
}

}  // namespace
}  // namespace allcores::concurrency
