#include "http/utf8.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

namespace allcores::http {
namespace {

std::string encode(std::uint32_t point) {
    const auto tail = [&](int shift) { return static_cast<char>(0x80 | ((point >> shift) & 63)); };
    if (point < 0x80) return {static_cast<char>(point)};
    if (point < 0x800) return {static_cast<char>(0xc0 | point >> 6), tail(0)};
    if (point < 0x10000) return {static_cast<char>(0xe0 | point >> 12), tail(6), tail(0)};
    return {static_cast<char>(0xf0 | point >> 18), tail(12), tail(6), tail(0)};
}

TEST(Utf8, EveryCharacter) {
    std::string all;
    for (std::uint32_t point = 0; point < 0x118000; ++point) {
        const bool valid = point < 0xd800 || (point > 0xdfff && point < 0x110000);
        const std::string one = encode(point);
        if (is_utf8(one) != valid) FAIL() << point;
        if (!valid) continue;
        all += one;
        for (std::size_t cut = 1; cut < one.size(); ++cut) {
            utf8_check check;
            const bool begun = check.feed(std::string_view(one).substr(0, cut));
            if (!begun || check.complete()) FAIL() << point;
            const bool ended = check.feed(std::string_view(one).substr(cut));
            if (!ended || !check.complete()) FAIL() << point;
        }
    }
    EXPECT_TRUE(is_utf8(all));
}

// Against the table of RFC 3629 section 4.
TEST(Utf8, EveryPairOfBytesThatCanBegin) {
    for (int first = 0; first < 256; ++first) {
        for (int second = 0; second < 256; ++second) {
            const auto within = [&](int low, int high) { return second >= low && second <= high; };
            bool begins = false;
            if (first < 0x80) {
                begins = second < 0x80 || (second >= 0xc2 && second <= 0xf4);
            } else if (first == 0xe0) {
                begins = within(0xa0, 0xbf);
            } else if (first == 0xed) {
                begins = within(0x80, 0x9f);
            } else if (first == 0xf0) {
                begins = within(0x90, 0xbf);
            } else if (first == 0xf4) {
                begins = within(0x80, 0x8f);
            } else if (first >= 0xc2 && first <= 0xf3) {
                begins = within(0x80, 0xbf);
            }
            const std::string pair{static_cast<char>(first), static_cast<char>(second)};
            ASSERT_EQ(utf8_check().feed(pair), begins) << first << " " << second;
        }
    }
}

// The quick way past ASCII looks at 32 bytes at a time.
TEST(Utf8, WrongByteAtAnyPlaceOfLongText) {
    std::string text(100, 'a');
    for (char& c : text) {
        c = '\xff';
        EXPECT_FALSE(is_utf8(text));
        c = 'a';
    }
    EXPECT_TRUE(is_utf8(text));
}

}  // namespace
}  // namespace allcores::http
