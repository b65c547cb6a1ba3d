// The characters and small shapes that RFC 9110 section 5.6 builds field values from. Pure
// functions, any thread; nothing here asks the locale, as <cctype> would.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace allcores::http {

constexpr bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

constexpr char to_lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

// The value of a hexadecimal digit, or -1.
constexpr int hex_value(char c) {
    if (is_digit(c)) return c - '0';
    const char low = to_lower(c);
    return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

namespace detail {

constexpr auto token_chars = [] {
    std::array<bool, 256> found{};
    for (char c = '0'; c <= '9'; ++c) found[static_cast<unsigned char>(c)] = true;
    for (char c = 'a'; c <= 'z'; ++c) found[static_cast<unsigned char>(c)] = true;
    for (char c = 'A'; c <= 'Z'; ++c) found[static_cast<unsigned char>(c)] = true;
    for (char c : std::string_view{"!#$%&'*+-.^_`|~"}) found[static_cast<unsigned char>(c)] = true;
    return found;
}();

// to_lower() of eight characters at once. The high bit of each byte says: from 'A' on, beyond 'Z'.
constexpr std::uint64_t to_lower_8(std::uint64_t text) {
    constexpr std::uint64_t ones = 0x0101010101010101;
    const std::uint64_t low = text & 0x7f * ones;
    const std::uint64_t from_a = low + (0x80 - 'A') * ones;
    const std::uint64_t beyond_z = low + (0x7f - 'Z') * ones;
    return text | ((from_a ^ beyond_z) & ~text & 0x80 * ones) >> 2;
}

inline std::uint64_t load_8(const char* from) {
    std::uint64_t loaded = 0;
    std::memcpy(&loaded, from, sizeof loaded);
    return loaded;
}

inline std::uint32_t load_4(const char* from) {
    std::uint32_t loaded = 0;
    std::memcpy(&loaded, from, sizeof loaded);
    return loaded;
}

}  // namespace detail

// tchar: what methods, field names and parameter names consist of.
constexpr bool is_token_char(char c) {
    return detail::token_chars[static_cast<unsigned char>(c)];
}

constexpr bool is_token(std::string_view text) {
    for (char c : text) {
        if (!is_token_char(c)) return false;
    }
    return !text.empty();
}

// Whether text can stand as a field's value: no control character but tab, so no way to end the
// line, and no white space at either end. Whatever an application puts into a header is checked
// with this before it is sent.
constexpr bool is_field_value(std::string_view text) {
    bool is_bad = false;  // without a way out of the loop: so many bytes at a time are looked at
    for (char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        is_bad |= ((byte < 0x20) & (byte != '\t')) | (byte == 0x7f);
    }
    if (is_bad) return false;
    const auto blank = [](char c) { return c == ' ' || c == '\t'; };
    return text.empty() || (!blank(text.front()) && !blank(text.back()));
}

// Without optional white space (OWS: spaces and tabs) at both ends.
constexpr std::string_view trim(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

// Equal when the case of ASCII letters is ignored.
constexpr bool equal_ignoring_case(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) return false;
    if !consteval {  // the last eight, or four, overlap with those before
        const std::size_t size = a.size();
        if (size >= 8) {
            const auto same_at = [&](std::size_t at) {
                return detail::to_lower_8(detail::load_8(a.data() + at)) ==
                       detail::to_lower_8(detail::load_8(b.data() + at));
            };
            for (std::size_t at = 0; at + 8 < size; at += 8) {
                if (!same_at(at)) return false;
            }
            return same_at(size - 8);
        }
        if (size >= 4) {
            const auto both = [size](const char* text) {
                return detail::to_lower_8(detail::load_4(text) |
                                          std::uint64_t{detail::load_4(text + size - 4)} << 32);
            };
            return both(a.data()) == both(b.data());
        }
    }
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (to_lower(a[i]) != to_lower(b[i])) return false;
    }
    return true;
}

}  // namespace allcores::http
