// SHA-1 (RFC 3174) and base64 (RFC 4648), which the WebSocket handshake is made of: the one proves
// nothing about security there, only that the server speaks the protocol. Pure functions, any
// thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace allcores::http {

std::array<std::uint8_t, 20> sha1(std::string_view message);

std::string to_base64(std::string_view bytes);

// Whether text is the base64 form of so many bytes, with its padding.
bool is_base64_of(std::string_view text, std::size_t bytes);

}  // namespace allcores::http
