#include "concurrency/core_counter.h"

#include <gtest/gtest.h>

#include <limits>
#include <thread>
#include <vector>

namespace allcores::concurrency {
namespace {

constexpr std::int64_t greatest = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t least = std::numeric_limits<std::int64_t>::min();

TEST(CoreCounter, Adds) {
    core_counter counter;
    EXPECT_TRUE(counter.value() == 0);
    counter.add(5);
    counter.add(-7);
    EXPECT_TRUE(counter.value() == -2);
    EXPECT_TRUE(counter.reset() == -2);
    EXPECT_TRUE(counter.value() == 0);
    EXPECT_GE(counter.cells(), 1u);
}

TEST(CoreCounter, HasSumsOfMoreThan64Bits) {
    core_counter counter;
    for (int i = 0; i < 10; ++i) counter.add(greatest);
    EXPECT_TRUE(counter.value() == wide_int{greatest} * 10);
    for (int i = 0; i < 20; ++i) counter.add(least);
    EXPECT_TRUE(counter.value() == wide_int{greatest} * 10 + wide_int{least} * 20);
    EXPECT_TRUE(counter.reset() == wide_int{greatest} * 10 + wide_int{least} * 20);
    EXPECT_TRUE(counter.value() == 0);
}

TEST(CoreCounter, EveryAdditionIsInOneResult) {
    core_counter counter;
    constexpr int threads_count = 4, rounds = 50'000;
    wide_int sum = 0;
    {
        std::vector<std::jthread> threads;
        threads.reserve(threads_count);
        for (int i = 0; i < threads_count; ++i) {
            threads.emplace_back([&] {
                for (int round = 0; round < rounds; ++round) counter.add(greatest / 3);
            });
        }
        for (int i = 0; i < 1000; ++i) sum += counter.reset();
    }
    sum += counter.reset();
    EXPECT_TRUE(sum == wide_int{greatest / 3} * threads_count * rounds);
}

}  // namespace
}  // namespace allcores::concurrency
