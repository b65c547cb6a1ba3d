// Bodies that are sent in several pieces, some from memory and some from a file, and the
// multipart/byteranges form of them (RFC 9110 section 14.6). Pure functions, any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "http/range.h"

namespace allcores::http {

// One piece of a body: bytes from memory, or a part of the file that goes with the body.
using body_segment = std::variant<std::string, byte_range>;

std::uint64_t segment_length(const body_segment& segment);

// 32 random hexadecimal digits: no file contains them but by a chance of one in 2^128.
std::string make_boundary();

// The body of a 206 with several parts of a representation. `start` is where the representation
// begins in the file, `size` its length. The content type of the response is "multipart/byteranges;
// boundary=…".
std::vector<body_segment> byteranges_body(std::string_view boundary, std::string_view content_type,
                                          std::span<const byte_range> parts, std::uint64_t start,
                                          std::uint64_t size);

}  // namespace allcores::http
