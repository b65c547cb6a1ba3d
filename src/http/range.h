// The Range field (RFC 9110 section 14): which bytes of a representation are asked for. Pure
// functions, any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace allcores::http {

// A part that lies within the representation and is not empty.
struct byte_range {
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
    bool operator==(const byte_range&) const = default;
};

enum class range_result {
    ignored,        // no range, not in bytes, malformed, or too many: send everything, 200
    partial,        // send these parts, 206
    unsatisfiable,  // none of the parts exists: 416
};

inline constexpr std::size_t most_ranges = 32;

// Takes apart the value of Range for a representation of `size` bytes and fills `out` with what is
// to be sent, in the order asked for. When two parts overlap, touch or nearly touch (a part's
// header costs more than the gap), all of them are sorted and merged, so that no byte is sent
// twice: asking for the same bytes many times is an old way to make a small request expensive. For
// the same reason more than `most` parts are ignored.
range_result parse_range(std::string_view field, std::uint64_t size, std::vector<byte_range>& out,
                         std::size_t most = most_ranges);

// The value of Content-Range for one part, "bytes 0-499/1234", and for 416, "bytes */1234".
std::string content_range(byte_range part, std::uint64_t size);
std::string unsatisfied_range(std::uint64_t size);

}  // namespace allcores::http
