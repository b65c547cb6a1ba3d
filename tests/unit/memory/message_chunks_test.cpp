#include "memory/message_chunks.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <set>
#include <thread>
#include <vector>

#include "memory/slots.h"

namespace allcores::memory {
namespace {

TEST(message_chunks, are_used_again) {
    message_chunk* one = take_message_chunk(100);
    EXPECT_EQ(one->capacity, usual_chunk_bytes);
    EXPECT_EQ(one->next, nullptr);
    std::memset(one->bytes(), 1, one->capacity);
    give_message_chunk(one);
    EXPECT_EQ(take_message_chunk(usual_chunk_bytes), one);
    give_message_chunk(one);
}

TEST(message_chunks, larger_ones_are_not_kept) {
    message_chunk* large = take_message_chunk(usual_chunk_bytes + 1);
    EXPECT_EQ(large->capacity, usual_chunk_bytes + 1);
    std::memset(large->bytes(), 1, large->capacity);
    give_message_chunk(large);
    message_chunk* usual = take_message_chunk(1);
    EXPECT_EQ(usual->capacity, usual_chunk_bytes);
    give_message_chunk(usual);
}

TEST(message_chunks, a_list_goes_as_a_whole) {
    message_chunk* first = nullptr;
    for (std::size_t i = 0; i < most_pooled_chunks * 2; i++) {
        message_chunk* one = take_message_chunk(1);
        one->next = first;
        first = one;
    }
    give_message_chunks(first);
    give_message_chunks(nullptr);
    // No more than the pool holds was kept; each that comes back is one by itself.
    std::set<message_chunk*> taken;
    for (std::size_t i = 0; i < most_pooled_chunks; i++) {
        message_chunk* one = take_message_chunk(1);
        EXPECT_EQ(one->next, nullptr);
        EXPECT_TRUE(taken.insert(one).second);
    }
    for (message_chunk* each : taken) give_message_chunk(each);
}

TEST(message_chunks, an_absurd_size_is_refused) {
    EXPECT_THROW(take_message_chunk(SIZE_MAX), std::bad_alloc);
}

TEST(slots, take_and_put) {
    slots<2> pool;
    int a = 0, b = 0, c = 0;
    EXPECT_EQ(pool.take(), nullptr);
    EXPECT_TRUE(pool.put(&a));
    EXPECT_TRUE(pool.put(&b));
    EXPECT_FALSE(pool.put(&c));
    EXPECT_EQ(pool.take(), &b);
    EXPECT_EQ(pool.take(), &a);
    EXPECT_EQ(pool.take(), nullptr);
}

// A block is with one thread at a time, and what the one wrote the next one sees.
TEST(slots, many_threads) {
    struct block {
        int owner = 0;  // plain: a second owner would be a race
        int uses = 0;
    };
    constexpr int threads = 4, rounds = 20'000;
    slots<3> pool;
    std::vector<block> blocks(3);
    for (block& each : blocks) ASSERT_TRUE(pool.put(&each));
    std::atomic<int> uses = 0;
    {
        std::vector<std::jthread> all;
        for (int me = 1; me <= threads; me++) {
            all.emplace_back([&, me] {
                for (int i = 0; i < rounds; i++) {
                    auto* mine = static_cast<block*>(pool.take());
                    if (mine == nullptr) continue;
                    EXPECT_EQ(mine->owner, 0);
                    mine->owner = me;
                    mine->uses++;
                    uses.fetch_add(1, std::memory_order_relaxed);
                    mine->owner = 0;
                    EXPECT_TRUE(pool.put(mine));
                }
            });
        }
    }
    int total = 0;
    for (const block& each : blocks) total += each.uses;
    EXPECT_EQ(total, uses.load());
    EXPECT_GT(total, 0);
}

}  // namespace
}  // namespace allcores::memory
