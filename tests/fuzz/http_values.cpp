// Feeds arbitrary text to the parsers of dates, targets, queries, ranges and entity tags, and
// checks what must be true of every answer. docs/http.md says how to run it.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "http/conditional.h"
#include "http/date.h"
#include "http/media_type.h"
#include "http/range.h"
#include "http/uri.h"

namespace {

using namespace allcores::http;

void require(bool holds) {
    if (!holds) std::abort();
}

// A date that was understood is written and read as the same second (a leap second is its
// successor).
void check_date(std::string_view text) {
    const auto seconds = parse_date(text);
    if (seconds) require(parse_date(format_date(*seconds)) == seconds);
}

// Whatever the text, the result is UTF-8, is not longer than each byte replaced, and an unchanged
// path had no escapes that mean anything.
void check_text(std::string_view text) {
    std::string decoded;
    const bool changed = decode_path(text, decoded);
    require(changed || decoded.empty());
    require(decoded.size() <= 3 * text.size());
    require(!replace_invalid_utf8(decoded));
    field_pairs pairs;
    const bool complete = parse_query(text, pairs, 8);
    require(pairs.size() <= 8 && (complete || pairs.size() == 8));
    for (auto& [name, value] : pairs) {
        require(!replace_invalid_utf8(name) && !replace_invalid_utf8(value));
    }
}

void check_target(std::string_view text) {
    for (std::string_view method : {"GET", "OPTIONS", "CONNECT"}) {
        request_target target;
        if (!parse_target(method, text, target)) continue;
        require(is_host(target.authority));
        require(target.path.size() + target.query.size() <= text.size() + 1);
    }
}

// Parts lie within the representation, are not empty, and no byte is sent twice.
void check_range(std::string_view text) {
    for (std::uint64_t size :
         {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1000}, UINT64_MAX}) {
        std::vector<byte_range> parts;
        const range_result result = parse_range(text, size, parts);
        require((result == range_result::partial) == !parts.empty());
        require(parts.size() <= most_ranges);
        std::uint64_t total = 0;
        for (const byte_range& part : parts) {
            require(part.length > 0 && part.offset < size && part.length <= size - part.offset);
            require(part.length <= size - total);
            total += part.length;
        }
    }
}

void check_conditions(std::string_view text) {
    const std::size_t half = text.size() / 2;
    for (std::string_view name :
         {"If-Match", "If-None-Match", "If-Modified-Since", "If-Range", "If-Unmodified-Since"}) {
        request_conditions conditions;
        conditions.add(name, text.substr(0, half));
        conditions.add(name, text.substr(half));
        const validators current{"\"a\"", 784111777};
        require(check_preconditions("PUT", conditions, current) != precondition::not_modified);
        (void)check_preconditions("GET", conditions, current);
        (void)if_range_holds(conditions, current, 784111999);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    check_date(text);
    check_text(text);
    check_target(text);
    check_range(text);
    check_conditions(text);
    require(!media_type(text).empty());
    return 0;
}
