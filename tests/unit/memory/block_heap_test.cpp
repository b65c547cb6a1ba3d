#include "memory/block_heap.h"

#include <gtest/gtest.h>

#include <barrier>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <thread>
#include <utility>
#include <vector>

namespace {

using allcores::memory::block_heap;

// Heaps live for good.
block_heap& make_heap() {
    static block_heap all[16];
    static std::size_t used = 0;
    return all[used++];
}

TEST(BlockHeap, BlocksHoldWhatWasAskedForAndAreAligned) {
    block_heap& heap = make_heap();
    for (std::size_t size = 0; size <= block_heap::largest; size++) {
        void* block = heap.allocate(size);
        ASSERT_NE(block, nullptr);
        ASSERT_TRUE(block_heap::contains(block));
        ASSERT_GE(block_heap::size_of(block), size);
        ASSERT_LE(block_heap::size_of(block), size + size / 4 + 16);
        const bool is_power = size >= 16 && (size & (size - 1)) == 0;
        ASSERT_EQ(reinterpret_cast<std::uintptr_t>(block) % (is_power ? size : 16), 0u);
        std::memset(block, 1, size);
        block_heap::release(block);
    }
    EXPECT_EQ(heap.allocate(block_heap::largest + 1), nullptr);
    EXPECT_EQ(heap.allocate(SIZE_MAX), nullptr);
    heap.drop();
}

TEST(BlockHeap, OtherMemoryIsNotOfIt) {
    block_heap& heap = make_heap();
    void* block = heap.allocate(10);
    int local = 0;
    const auto other = std::make_unique<char[]>(100);
    EXPECT_FALSE(block_heap::contains(&local));
    EXPECT_FALSE(block_heap::contains(other.get()));
    EXPECT_FALSE(block_heap::contains(nullptr));
    EXPECT_TRUE(block_heap::contains(block));
    heap.drop();
}

TEST(BlockHeap, BlocksAreUsedAgain) {
    block_heap& heap = make_heap();
    for (int round = 0; round < 100; round++) {
        std::vector<void*> blocks;
        for (int i = 0; i < 5000; i++) blocks.push_back(heap.allocate(1 + (i + round * 16) % 700));
        for (void* each : blocks) block_heap::release(each);
    }
    EXPECT_LT(heap.taken(), std::size_t{8} << 20);
    heap.drop();
}

TEST(BlockHeap, DroppedMemoryGoesBackAndIsUsedAgain) {
    block_heap& heap = make_heap();
    std::set<void*> before;
    for (int i = 0; i < 4000; i++) {
        void* block = heap.allocate(1000);
        std::memset(block, 1, 1000);
        before.insert(block);
    }
    EXPECT_GT(heap.taken(), std::size_t{3} << 20);
    heap.drop();
    EXPECT_EQ(heap.taken(), 0u);
    std::size_t again = 0;
    for (int i = 0; i < 4000; i++) {
        auto* block = static_cast<char*>(heap.allocate(1000));
        again += before.contains(block) ? 1 : 0;
        // (Its start had a link.)
        EXPECT_EQ(block[500], 0);
    }
    EXPECT_GT(again, 0u);
    heap.drop();
}

TEST(BlockHeap, AThreadsBlocksOfADroppedHeapAreForgotten) {
    block_heap& one = make_heap();
    block_heap& other = make_heap();
    for (int round = 0; round < 100; round++) {
        std::set<void*> blocks;
        for (int i = 0; i < 100; i++) {
            block_heap::release(one.allocate(100));
            EXPECT_TRUE(blocks.insert(one.allocate(100)).second);
            EXPECT_TRUE(blocks.insert(other.allocate(100)).second);
        }
        one.drop();
        if (round % 3 == 0) other.drop();
    }
    other.drop();
}

// Blocks go from thread to thread; each says whose it is while it is in use.
TEST(BlockHeap, ThreadsReleaseWhatOthersAllocated) {
    block_heap* heaps[] = {&make_heap(), &make_heap()};
    constexpr int thread_count = 4;
    std::mutex mutex;
    std::vector<std::pair<unsigned char*, std::size_t>> passed;
    std::barrier start(thread_count);
    std::vector<std::thread> threads;
    for (int number = 0; number < thread_count; number++) {
        threads.emplace_back([&, number] {
            std::minstd_rand chance(static_cast<unsigned>(number));
            std::vector<std::pair<unsigned char*, std::size_t>> mine;
            start.arrive_and_wait();
            for (int i = 0; i < 20'000; i++) {
                const std::size_t size = 1 + chance() % (i % 50 == 0 ? 20'000 : 300);
                auto* block = static_cast<unsigned char*>(heaps[chance() % 2]->allocate(size));
                ASSERT_NE(block, nullptr);
                std::memset(block, static_cast<int>(size % 251), size);
                mine.emplace_back(block, size);
                if (chance() % 3 == 0) {
                    const std::lock_guard lock(mutex);
                    std::swap(mine, passed);
                }
                while (mine.size() > 100) {
                    const auto [gone, its_size] = mine.back();
                    mine.pop_back();
                    for (const std::size_t place : {std::size_t{0}, its_size / 2, its_size - 1})
                        ASSERT_EQ(gone[place], its_size % 251);
                    block_heap::release(gone);
                }
            }
            for (const auto& [block, size] : mine) block_heap::release(block);
        });
    }
    for (auto& thread : threads) thread.join();
    for (const auto& [block, size] : passed) block_heap::release(block);
    for (block_heap* heap : heaps) {
        EXPECT_LT(heap->taken(), std::size_t{64} << 20);
        heap->drop();
    }
}

TEST(BlockHeap, MemoryOfAThreadThatHasEndedIsUsedAgain) {
    block_heap& heap = make_heap();
    for (int i = 0; i < 500; i++) {
        std::thread([&] {
            for (std::size_t size = 16; size <= block_heap::largest; size *= 2)
                block_heap::release(heap.allocate(size));
        }).join();
    }
    EXPECT_LT(heap.taken(), std::size_t{2} << 20);
    heap.drop();
}

}  // namespace
