#include "http/uri.h"

#include <algorithm>
#include <cstdint>

#include "http/syntax.h"

namespace allcores::http {
namespace {

// The length of the UTF-8 sequence at the front of text (not empty), or minus the length of the
// longest start of one that is there, at least 1 (Unicode chapter 3, table 3-7).
int utf8_length(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = byte(0);
    if (first < 0x80) return 1;
    int length = 0;
    unsigned char low = 0x80, high = 0xbf;  // what the second byte may be
    if (first >= 0xc2 && first <= 0xdf) {
        length = 2;
    } else if (first >= 0xe0 && first <= 0xef) {
        length = 3;
        if (first == 0xe0) low = 0xa0;
        if (first == 0xed) high = 0x9f;
    } else if (first >= 0xf0 && first <= 0xf4) {
        length = 4;
        if (first == 0xf0) low = 0x90;
        if (first == 0xf4) high = 0x8f;
    } else {
        return -1;
    }
    for (int i = 1; i < length; ++i) {
        const auto place = static_cast<std::size_t>(i);
        if (place >= text.size() || byte(place) < low || byte(place) > high) return -i;
        low = 0x80;
        high = 0xbf;
    }
    return length;
}

// Where the first byte is that is not part of a UTF-8 sequence, or npos.
std::size_t first_invalid(std::string_view text) {
    for (std::size_t i = 0; i < text.size();) {
        const int length = utf8_length(text.substr(i));
        if (length < 0) return i;
        i += static_cast<std::size_t>(length);
    }
    return std::string_view::npos;
}

// The byte that the escape at the front of text stands for, or -1 if there is none.
int escaped_byte(std::string_view text) {
    if (text.size() < 3 || text[0] != '%') return -1;
    const int high = hex_value(text[1]), low = hex_value(text[2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

void append_unescaped(std::string_view raw, bool plus_is_space, std::string& out) {
    for (std::size_t i = 0; i < raw.size(); ++i) {
        if (const int byte = escaped_byte(raw.substr(i)); byte >= 0) {
            out.push_back(static_cast<char>(byte));
            i += 2;
        } else {
            out.push_back(plus_is_space && raw[i] == '+' ? ' ' : raw[i]);
        }
    }
}

bool all_digits(std::string_view text) {
    return std::ranges::all_of(text, is_digit);
}

// Groups of up to four hexadecimal digits, at most one "::", perhaps an IPv4 address as the end
// (RFC 3986, IPv6address).
bool is_ipv4(std::string_view text);

bool is_ipv6(std::string_view text) {
    int groups = 0;
    bool gap = false;
    if (text.starts_with("::")) {
        gap = true;
        text.remove_prefix(2);
    }
    while (!text.empty()) {
        if (text.contains('.') && !text.contains(':')) {
            if (!is_ipv4(text)) return false;
            groups += 2;
            text = {};
            break;
        }
        const std::size_t end = std::min(text.find(':'), text.size());
        if (end == 0 || end > 4) return false;
        for (char c : text.substr(0, end)) {
            if (hex_value(c) < 0) return false;
        }
        ++groups;
        text.remove_prefix(end);
        if (text.empty()) break;
        text.remove_prefix(1);
        if (text.empty()) return false;  // "1:"
        if (text.front() == ':') {
            if (gap) return false;
            gap = true;
            text.remove_prefix(1);
        }
    }
    return gap ? groups <= 7 : groups == 8;
}

bool is_ipv4(std::string_view text) {
    for (int part = 0; part < 4; ++part) {
        const std::size_t end = std::min(text.find('.'), text.size());
        if (end == 0 || end > 3 || !all_digits(text.substr(0, end))) return false;
        int value = 0;
        for (char c : text.substr(0, end)) value = value * 10 + (c - '0');
        if (value > 255 || (end > 1 && text.front() == '0')) return false;
        text.remove_prefix(end);
        if (part == 3) return text.empty();
        if (text.empty()) return false;
        text.remove_prefix(1);
    }
    return false;
}

// unreserved, sub-delims or an escape: what a registered name (RFC 3986, reg-name) consists of.
bool is_host_name(std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (escaped_byte(text.substr(i)) >= 0) {
            i += 2;
            continue;
        }
        const char low = to_lower(text[i]);
        const bool plain = is_digit(low) || (low >= 'a' && low <= 'z') ||
                           (low != '\0' && std::string_view{"-._~!$&'()*+,;="}.contains(low));
        if (!plain) return false;
    }
    return true;
}

// No white space, no control characters, no fragment, and nothing that URLs have escaped.
bool is_target_text(std::string_view text) {
    return std::ranges::none_of(text, [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte <= ' ' || byte == 0x7f || c == '#';
    });
}

void split_query(std::string_view raw, request_target& out) {
    const std::size_t mark = raw.find('?');
    out.path = raw.substr(0, mark);
    out.has_query = mark != std::string_view::npos;
    out.query = out.has_query ? raw.substr(mark + 1) : std::string_view{};
}

}  // namespace

bool is_host(std::string_view text) {
    std::string_view port;
    if (text.starts_with('[')) {
        const std::size_t close = text.find(']');
        if (close == std::string_view::npos || !is_ipv6(text.substr(1, close - 1))) return false;
        port = text.substr(close + 1);
        if (port.empty()) return true;
        if (port.front() != ':') return false;
        port.remove_prefix(1);
    } else if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
        if (colon == 0 || !is_host_name(text.substr(0, colon))) return false;
        port = text.substr(colon + 1);
    } else {
        return is_host_name(text);
    }
    if (!all_digits(port)) return false;
    std::uint32_t number = 0;
    for (char c : port) {
        number = number * 10 + static_cast<std::uint32_t>(c - '0');
        if (number > 65535) return false;
    }
    return true;
}

bool parse_target(std::string_view method, std::string_view raw, request_target& out) {
    using form = request_target::form;
    out = {};
    if (raw.empty() || !is_target_text(raw)) return false;
    if (method == "CONNECT") {
        out.kind = form::authority;
        out.authority = raw;
        // Host and port are both required, so the port may not be empty either.
        return is_host(raw) && raw.contains(':') && is_digit(raw.back());
    }
    if (raw == "*") {
        out.kind = form::asterisk;
        out.path = raw;
        return method == "OPTIONS";
    }
    if (raw.front() == '/') {
        out.kind = form::origin;
        split_query(raw, out);
        return true;
    }
    out.kind = form::absolute;
    const std::size_t colon = raw.find("://");
    if (colon == std::string_view::npos) return false;
    out.scheme = raw.substr(0, colon);
    if (!equal_ignoring_case(out.scheme, "http") && !equal_ignoring_case(out.scheme, "https")) {
        return false;
    }
    const std::string_view rest = raw.substr(colon + 3);
    const std::size_t end = std::min(rest.find_first_of("/?"), rest.size());
    out.authority = rest.substr(0, end);
    split_query(rest.substr(end), out);
    if (out.path.empty()) out.path = method == "OPTIONS" && !out.has_query ? "*" : "/";
    return !out.authority.empty() && is_host(out.authority);
}

bool replace_invalid_utf8(std::string& text) {
    std::size_t from = first_invalid(text);
    if (from == std::string::npos) return false;
    std::string result = text.substr(0, from);
    while (from < text.size()) {
        const std::string_view rest = std::string_view(text).substr(from);
        const int length = utf8_length(rest);
        if (length > 0) {
            result.append(rest.substr(0, static_cast<std::size_t>(length)));
        } else {
            result.append("\xef\xbf\xbd");
        }
        from += static_cast<std::size_t>(length > 0 ? length : -length);
    }
    text = std::move(result);
    return true;
}

bool decode_path(std::string_view raw, std::string& out) {
    const bool plain = std::ranges::none_of(
        raw, [](char c) { return c == '%' || static_cast<unsigned char>(c) >= 0x80; });
    if (plain) return false;
    std::string decoded;
    decoded.reserve(raw.size());
    append_unescaped(raw, false, decoded);
    replace_invalid_utf8(decoded);
    if (decoded == raw) return false;
    out = std::move(decoded);
    return true;
}

void decode_form_text(std::string_view raw, std::string& out) {
    const std::size_t before = out.size();
    append_unescaped(raw, true, out);
    if (first_invalid(std::string_view(out).substr(before)) != std::string_view::npos) {
        std::string added = out.substr(before);
        replace_invalid_utf8(added);
        out.replace(before, std::string::npos, added);
    }
}

bool parse_query(std::string_view raw, field_pairs& out, std::size_t most) {
    std::size_t count = 0;
    while (!raw.empty()) {
        const std::size_t end = std::min(raw.find('&'), raw.size());
        const std::string_view piece = raw.substr(0, end);
        raw.remove_prefix(std::min(end + 1, raw.size()));
        if (piece.empty()) continue;
        if (++count > most) return false;
        const std::size_t equals = std::min(piece.find('='), piece.size());
        auto& [name, value] = out.emplace_back();
        decode_form_text(piece.substr(0, equals), name);
        if (equals < piece.size()) decode_form_text(piece.substr(equals + 1), value);
    }
    return true;
}

}  // namespace allcores::http
