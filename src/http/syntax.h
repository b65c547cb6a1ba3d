// The characters and small shapes that RFC 9110 section 5.6 builds field values from. Pure
// functions, any thread; nothing here asks the locale, as <cctype> would.
#pragma once

#include <cstdint>
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

// tchar: what methods, field names and parameter names consist of.
constexpr bool is_token_char(char c) {
    if (is_digit(c)) return true;
    const char low = to_lower(c);
    if (low >= 'a' && low <= 'z') return true;
    return c != '\0' && std::string_view{"!#$%&'*+-.^_`|~"}.contains(c);
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
    for (char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if ((byte < 0x20 && c != '\t') || byte == 0x7f) return false;
    }
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
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (to_lower(a[i]) != to_lower(b[i])) return false;
    }
    return true;
}

}  // namespace allcores::http
