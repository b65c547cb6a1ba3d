#include "http/range.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "http/syntax.h"

namespace allcores::http {
namespace {

// Parts with a gap of at most this many bytes between them are sent as one: the boundary and header
// of another part are about as long.
constexpr std::uint64_t least_gap = 80;

// Digits as a number; one that is too big for the type is the biggest, which is past every end as
// it is itself.
std::optional<std::uint64_t> read_position(std::string_view text) {
    if (text.empty()) return std::nullopt;
    constexpr std::uint64_t biggest = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t value = 0;
    for (char c : text) {
        if (!is_digit(c)) return std::nullopt;
        const auto digit = static_cast<std::uint64_t>(c - '0');
        value = value > (biggest - digit) / 10 ? biggest : value * 10 + digit;
    }
    return value;
}

enum class piece_result { malformed, absent, present };

// One int-range or suffix-range.
piece_result read_piece(std::string_view text, std::uint64_t size, byte_range& out) {
    const std::size_t dash = text.find('-');
    if (dash == std::string_view::npos) return piece_result::malformed;
    const std::string_view before = text.substr(0, dash), after = text.substr(dash + 1);
    if (before.empty()) {
        const auto length = read_position(after);
        if (!length) return piece_result::malformed;
        out.length = std::min(*length, size);
        out.offset = size - out.length;
        return out.length == 0 ? piece_result::absent : piece_result::present;
    }
    const auto first = read_position(before);
    const auto last = after.empty() ? std::optional(std::numeric_limits<std::uint64_t>::max())
                                    : read_position(after);
    if (!first || !last || *last < *first) return piece_result::malformed;
    if (*first >= size) return piece_result::absent;
    out.offset = *first;
    out.length = std::min(*last, size - 1) - *first + 1;
    return piece_result::present;
}

bool near(const byte_range& earlier, const byte_range& later) {
    return later.offset <= earlier.offset + earlier.length ||
           later.offset - (earlier.offset + earlier.length) <= least_gap;
}

// Leaves the order as it is unless two parts are near each other.
void merge(std::vector<byte_range>& parts) {
    std::vector<byte_range> sorted = parts;
    std::ranges::sort(sorted, {}, &byte_range::offset);
    std::vector<byte_range> merged;
    for (const byte_range& part : sorted) {
        if (merged.empty() || !near(merged.back(), part)) {
            merged.push_back(part);
            continue;
        }
        byte_range& last = merged.back();
        const std::uint64_t end = std::max(last.offset + last.length, part.offset + part.length);
        last.length = end - last.offset;
    }
    if (merged.size() != parts.size()) parts = std::move(merged);
}

}  // namespace

range_result parse_range(std::string_view field, std::uint64_t size, std::vector<byte_range>& out,
                         std::size_t most) {
    out.clear();
    const std::size_t equals = field.find('=');
    if (equals == std::string_view::npos ||
        !equal_ignoring_case(field.substr(0, equals), "bytes")) {
        return range_result::ignored;
    }
    std::string_view rest = field.substr(equals + 1);
    std::size_t count = 0;
    bool empty_suffix = false;  // of an empty representation: there, but it can't be named
    while (!rest.empty()) {
        const std::size_t end = std::min(rest.find(','), rest.size());
        const std::string_view piece = trim(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
        if (piece.empty()) continue;  // a list may have empty elements
        byte_range part;
        const piece_result result = read_piece(piece, size, part);
        if (result == piece_result::malformed || ++count > most) {
            out.clear();
            return range_result::ignored;
        }
        if (result == piece_result::present) out.push_back(part);
        empty_suffix |=
            size == 0 && piece.front() == '-' && piece.find_first_not_of("-0") != piece.npos;
    }
    if (count == 0) return range_result::ignored;
    if (out.empty()) return empty_suffix ? range_result::ignored : range_result::unsatisfiable;
    merge(out);
    return range_result::partial;
}

std::string content_range(byte_range part, std::uint64_t size) {
    return "bytes " + std::to_string(part.offset) + "-" +
           std::to_string(part.offset + part.length - 1) + "/" + std::to_string(size);
}

std::string unsatisfied_range(std::uint64_t size) {
    return "bytes */" + std::to_string(size);
}

}  // namespace allcores::http
