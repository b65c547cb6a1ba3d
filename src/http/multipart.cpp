#include "http/multipart.h"

#include <sys/random.h>

#include <array>
#include <random>

namespace allcores::http {

std::uint64_t segment_length(const body_segment& segment) {
    if (const auto* part = std::get_if<byte_range>(&segment)) return part->length;
    return std::get<std::string>(segment).size();
}

std::string make_boundary() {
    std::array<unsigned char, 16> bytes;
    if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
        // Interrupted, or a kernel that refuses it: the library's own way to the system's
        // randomness.
        std::random_device random;
        for (unsigned char& byte : bytes) byte = static_cast<unsigned char>(random());
    }
    std::string text;
    for (unsigned char byte : bytes) {
        text.push_back("0123456789abcdef"[byte >> 4]);
        text.push_back("0123456789abcdef"[byte & 15]);
    }
    return text;
}

std::vector<body_segment> byteranges_body(std::string_view boundary, std::string_view content_type,
                                          std::span<const byte_range> parts, std::uint64_t start,
                                          std::uint64_t size) {
    std::vector<body_segment> body;
    body.reserve(parts.size() * 2 + 1);
    std::string before = "--";
    for (const byte_range& part : parts) {
        before.append(boundary).append("\r\n");
        if (!content_type.empty())
            before.append("Content-Type: ").append(content_type).append("\r\n");
        before.append("Content-Range: ").append(content_range(part, size)).append("\r\n\r\n");
        body.emplace_back(std::move(before));
        body.emplace_back(byte_range{start + part.offset, part.length});
        before = "\r\n--";
    }
    body.emplace_back(before.append(boundary).append("--\r\n"));
    return body;
}

}  // namespace allcores::http
