#include "memory/large_copy.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "memory/huge_pages.h"

namespace {

using allcores::memory::copy_large;
using allcores::memory::huge_page;
using allcores::memory::least_past_caches;

std::vector<char> numbers(std::size_t bytes) {
    std::vector<char> made(bytes);
    std::uint32_t state = 1;
    for (char& each : made) {
        state = state * 1664525 + 1013904223;
        each = static_cast<char>(state >> 24);
    }
    return made;
}

TEST(large_copy, is_exact_at_any_size_and_place) {
    constexpr std::size_t margin = 256;
    const std::vector<char> from = numbers(least_past_caches + 2 * margin);
    std::vector<char> to(from.size() + margin);
    for (const std::size_t bytes :
         {std::size_t{0}, std::size_t{1}, std::size_t{1000}, least_past_caches - 1,
          least_past_caches, least_past_caches + 1, least_past_caches + 63, least_past_caches + 65,
          least_past_caches + 127}) {
        for (const std::size_t at : {0, 1, 16, 17, 63, 64, 100}) {
            for (const std::size_t out : {0, 8, 31, 64}) {
                std::memset(to.data(), 'x', to.size());
                copy_large(to.data() + out, from.data() + at, bytes);
                ASSERT_EQ(0, std::memcmp(to.data() + out, from.data() + at, bytes));
                for (std::size_t i = 0; i < out; i++) ASSERT_EQ('x', to[i]);
                for (std::size_t i = out + bytes; i < std::min(out + bytes + 200, to.size()); i++)
                    ASSERT_EQ('x', to[i]);
            }
        }
    }
}

TEST(huge_pages, advice_changes_nothing_that_is_there) {
    std::vector<char> memory = numbers(3 * huge_page);
    const std::vector<char> before = memory;
    for (const std::size_t start : {std::size_t{0}, std::size_t{1}, huge_page - 1}) {
        for (const std::size_t bytes : {std::size_t{0}, std::size_t{100}, huge_page, 2 * huge_page})
            allcores::memory::prefer_huge_pages(memory.data() + start, bytes);
    }
    EXPECT_EQ(before, memory);
}

TEST(huge_pages, one_is_aligned_and_empty) {
    auto* page = static_cast<char*>(allcores::memory::map_huge_page());
    ASSERT_NE(nullptr, page);
    EXPECT_EQ(0U, reinterpret_cast<std::uintptr_t>(page) % huge_page);
    for (std::size_t i = 0; i < huge_page; i += 512) {
        ASSERT_EQ(0, page[i]);
        page[i] = 1;
    }
    EXPECT_EQ(1, page[huge_page - 512]);
    EXPECT_EQ(0, munmap(page + huge_page / 2, huge_page / 2));
    EXPECT_EQ(0, munmap(page, huge_page / 2));
}

}  // namespace
