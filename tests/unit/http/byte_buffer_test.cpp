#include "http/byte_buffer.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace allcores::http {
namespace {

TEST(ByteBuffer, ForgettingKeepsTheRoomAndGivesThePagesBack) {
    constexpr std::size_t size = std::size_t{1} << 20;
    byte_buffer buffer;
    char* begin = buffer.room(size);
    std::fill_n(begin, size, 'x');
    buffer.forget();
    EXPECT_EQ(buffer.capacity(), size);
    EXPECT_EQ(buffer.data(), begin);

    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    auto first = (reinterpret_cast<std::uintptr_t>(begin) + page - 1) / page * page;
    std::vector<unsigned char> resident(size / page - 1);
    ASSERT_EQ(mincore(reinterpret_cast<void*>(first), resident.size() * page, resident.data()), 0);
    for (unsigned char one : resident) EXPECT_EQ(one & 1, 0);

    buffer.append("and again");
    EXPECT_EQ(buffer.view(), "and again");
}

TEST(ByteBuffer, ForgettingWhatIsSmallerThanAPageChangesNothing) {
    byte_buffer none;
    none.forget();
    EXPECT_EQ(none.capacity(), 0u);
}

}  // namespace
}  // namespace allcores::http
