#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstring>
#include <thread>
#include <vector>

#include "memory/arena.h"

namespace {

using allcores::memory::arena;
using allcores::memory::extent;
using allcores::memory::frozen_space;

constexpr std::size_t small_space = 4 << 20;

TEST(frozen_space, contains_only_its_own_addresses) {
    int local = 0;
    arena memory;
    std::byte* object = memory.allocate(24);
    EXPECT_TRUE(frozen_space::contains(object));
    EXPECT_FALSE(frozen_space::contains(&local));
    EXPECT_FALSE(frozen_space::contains(nullptr));
    EXPECT_FALSE(frozen_space::contains(reinterpret_cast<void*>(UINTPTR_MAX)));
}

TEST(frozen_space, a_space_that_the_system_refuses_is_empty) {
    frozen_space space(0);
    EXPECT_EQ(space.reserved_bytes(), 0u);
    EXPECT_THROW(space.take(1), std::bad_alloc);
}

TEST(frozen_space, addresses_that_come_back_join_and_are_used_again) {
    frozen_space space(small_space);
    const extent all = space.take(space.reserved_bytes());
    EXPECT_THROW(space.take(1), std::bad_alloc);
    std::memset(all.begin, 1, all.bytes);
    const std::size_t third = all.bytes / 4;
    // In an order that needs joining before, after, and on both sides.
    space.give_back({all.begin + 2 * third, third});
    space.give_back({all.begin, third});
    space.give_back({all.begin + third, third});
    space.give_back({all.begin + 3 * third, all.bytes - 3 * third});
    EXPECT_EQ(space.used_bytes(), 0u);
    const extent again = space.take(space.reserved_bytes());
    EXPECT_EQ(again.begin, all.begin);
    EXPECT_EQ(again.begin[third], std::byte{0}) << "pages that come back are fresh";
}

TEST(frozen_space, an_absurd_size_is_out_of_memory) {
    frozen_space space(small_space);
    EXPECT_THROW(space.take(SIZE_MAX), std::bad_alloc);
    EXPECT_THROW(space.take(SIZE_MAX - 5000), std::bad_alloc);
    EXPECT_EQ(space.used_bytes(), 0u);
}

TEST(frozen_space, knows_published_addresses) {
    frozen_space space(small_space);
    const extent pages = space.take(1);
    EXPECT_FALSE(space.is_published(pages.begin));
    space.publish(pages.begin);
    EXPECT_TRUE(space.is_published(pages.begin));
    EXPECT_FALSE(space.is_published(pages.begin + 16));
}

TEST(arena, objects_are_aligned_zeroed_and_apart) {
    frozen_space space(64 << 20);
    arena memory(space);
    std::byte* before_end = nullptr;
    for (std::size_t i = 0; i < 20000; i++) {
        const std::size_t bytes = 1 + i % 700;
        std::byte* object = memory.allocate(bytes);
        ASSERT_EQ(reinterpret_cast<std::uintptr_t>(object) % 16, 0u);
        for (std::size_t j = 0; j < bytes; j++) ASSERT_EQ(object[j], std::byte{0});
        std::memset(object, 0xff, bytes);
        if (before_end != nullptr) {
            ASSERT_GE(object, before_end);
        }
        before_end = object + bytes;
    }
    memory.close();
    EXPECT_LT(memory.held_bytes(), 20000u * 351 + 20000 * 16 + 4096);
    EXPECT_EQ(memory.held_bytes(), space.used_bytes());
}

TEST(arena, one_object_may_be_larger_than_any_extent) {
    frozen_space space(256 << 20);
    arena memory(space);
    memory.allocate(10);
    const std::size_t bytes = 100 << 20;
    std::byte* object = memory.allocate(bytes);
    object[0] = object[bytes - 1] = std::byte{7};
    memory.close();
    EXPECT_EQ(object[bytes - 1], std::byte{7});
}

// Extents are taken ahead from a certain size on.
TEST(arena, much_is_given_back_but_for_what_is_used) {
    frozen_space space(512 << 20);
    for (const std::size_t large : {0u, 1u << 20, 50u << 20}) {
        const std::size_t before = space.used_bytes();
        arena memory(space);
        std::size_t bytes = 0;
        for (; bytes < 60 << 20; bytes += 4096) *memory.allocate(4096) = std::byte{1};
        if (large != 0) memory.allocate(large)[large - 1] = std::byte{2};
        bytes += large;
        memory.close();
        EXPECT_EQ(space.used_bytes() - before, memory.held_bytes());
        EXPECT_GE(memory.held_bytes(), bytes);
        EXPECT_LE(memory.held_bytes(), bytes + (8 << 20));
    }
    const std::size_t before = space.used_bytes();
    {
        arena memory(space);
        for (int i = 0; i < 20; ++i) memory.allocate(1 << 20);
        memory.allocate(40 << 20);
    }
    EXPECT_EQ(space.used_bytes(), before);
}

TEST(arena, gives_everything_back_when_it_is_not_closed) {
    frozen_space space(small_space);
    {
        arena memory(space);
        EXPECT_THROW(while (true) memory.allocate(1000), std::bad_alloc);
        EXPECT_GT(space.used_bytes(), small_space / 2);
    }
    EXPECT_EQ(space.used_bytes(), 0u);
    arena memory(space);
    memory.allocate(small_space / 2);
}

TEST(arena, an_empty_one_holds_nothing) {
    frozen_space space(small_space);
    {
        arena memory(space);
        memory.close();
    }
    EXPECT_EQ(space.used_bytes(), 0u);
}

TEST(arena, arenas_of_several_threads_do_not_meet) {
    frozen_space space(256 << 20);
    std::vector<std::thread> threads;
    std::vector<int> wrong(4);
    for (int id = 0; id < 4; id++) {
        threads.emplace_back([&, id] {
            for (int round = 0; round < 20; round++) {
                arena memory(space);
                std::vector<int*> objects;
                for (int i = 0; i < 2000; i++) {
                    auto* object = reinterpret_cast<int*>(memory.allocate(100));
                    *object = id * 1000000 + i;
                    objects.push_back(object);
                }
                if (round % 2 == 0) memory.close();
                for (int i = 0; i < 2000; i++) wrong[id] += *objects[i] != id * 1000000 + i;
            }
        });
    }
    for (auto& each : threads) each.join();
    EXPECT_EQ(wrong, std::vector<int>(4));
}

TEST(arena_death, a_write_to_closed_memory_faults) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_EXIT(
        {
            signal(SIGSEGV, SIG_DFL);
            frozen_space space(small_space);
            arena memory(space);
            std::byte* object = memory.allocate(16);
            memory.close();
            if (object[3] != std::byte{0}) _exit(1);
            object[3] = std::byte{1};
            _exit(2);
        },
        testing::KilledBySignal(SIGSEGV), "");
}

TEST(frozen_space, what_was_closed_is_opened_again_where_it_may_be) {
    frozen_space space(small_space);
    arena first(space), second(space);
    std::byte* object = first.allocate(16);
    std::byte* other = second.allocate(16);
    const auto may = [](const void*) { return true; };
    EXPECT_FALSE(space.reopen(object, may));  // it is not closed
    first.close();
    second.close();
    EXPECT_FALSE(space.reopen(object, [](const void*) { return false; }));
    EXPECT_TRUE(space.reopen(object + 8, may));
    object[3] = std::byte{1};
    EXPECT_FALSE(space.reopen(other + small_space, may));  // not of this space
}

TEST(frozen_space_death, only_what_was_opened_again_can_be_written) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    static constexpr auto may = [](const void*) { return true; };
    EXPECT_EXIT(
        {
            signal(SIGSEGV, SIG_DFL);
            frozen_space space(small_space);
            arena first(space);
            arena second(space);
            std::byte* object = first.allocate(16);
            std::byte* other = second.allocate(16);
            first.close();
            second.close();
            if (!space.reopen(object, may)) _exit(1);
            object[3] = std::byte{1};
            other[3] = std::byte{1};
            _exit(2);
        },
        testing::KilledBySignal(SIGSEGV), "");
}

#if !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)  // they need the addresses themselves
TEST(frozen_space_death, takes_a_quarter_of_a_limited_address_space) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_EXIT(
        {
            rlimit limit{};
            limit.rlim_cur = limit.rlim_max = std::size_t{1} << 30;
            setrlimit(RLIMIT_AS, &limit);
            _exit(frozen_space::process().reserved_bytes() == (std::size_t{1} << 28) ? 0 : 1);
        },
        testing::ExitedWithCode(0), "");
}
#endif

TEST(frozen_space, a_child_of_fork_can_use_it_while_other_threads_do) {
    std::atomic<bool> done{false};
    std::thread busy([&] {
        while (!done) {
            arena memory;
            memory.allocate(100000);
        }
    });
    for (int i = 0; i < 20; i++) {
        const pid_t child = fork();
        if (child == 0) {
            arena memory;
            memory.allocate(100);
            memory.close();
            _exit(0);
        }
        int status = 0;
        waitpid(child, &status, 0);
        ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
    }
    done = true;
    busy.join();
}

}  // namespace
