// What looks at several characters at once says the same as what looks at each.
#include "http/syntax.h"

#include <gtest/gtest.h>

#include <string>

namespace allcores::http {
namespace {

char any(int number) {
    return static_cast<char>(static_cast<unsigned char>(number));
}

TEST(Syntax, CaseOfLettersOnlyIsIgnoredAtEveryPlace) {
    for (std::size_t size = 1; size <= 25; ++size) {
        const std::string before(size, 'x');
        EXPECT_TRUE(equal_ignoring_case(before, std::string(size, 'X')));
        EXPECT_FALSE(equal_ignoring_case(before, std::string(size + 1, 'x')));
        for (std::size_t at = 0; at < size; ++at) {
            for (int number = 0; number < 256; ++number) {
                const char c = any(number);
                std::string one = before;
                one[at] = c;
                for (const char other :
                     {any(number ^ 0x20), any(number ^ 0x80), any(number), 'x'}) {
                    std::string two = before;
                    two[at] = other;
                    EXPECT_EQ(equal_ignoring_case(one, two), to_lower(c) == to_lower(other))
                        << size << ' ' << at << ' ' << number;
                }
            }
        }
    }
    EXPECT_TRUE(equal_ignoring_case("", ""));
}

TEST(Syntax, CharactersOfTokensAndFields) {
    const std::string marks = "!#$%&'*+-.^_`|~";
    for (int number = 0; number < 256; ++number) {
        const char c = any(number);
        const bool is_alphanumeric =
            is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        EXPECT_EQ(is_token_char(c), is_alphanumeric || marks.contains(c)) << number;
        const bool is_control = (number < 0x20 && c != '\t') || number == 0x7f;
        for (std::size_t at = 1; at < 40; ++at) {
            std::string text(41, 'x');
            text[at] = c;
            EXPECT_EQ(is_field_value(text), !is_control) << number;
        }
    }
    EXPECT_FALSE(is_field_value(" x"));
    EXPECT_FALSE(is_field_value("x\t"));
    EXPECT_TRUE(is_field_value(""));
}

}  // namespace
}  // namespace allcores::http
