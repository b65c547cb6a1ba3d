// How many bytes of a connection's output the kernel takes beyond what is on its way. By itself it
// takes up to 4 MiB, and cuts them into pieces of half the client's window: for a client that says
// that it has room for a few hundred bytes only, each MiB takes milliseconds, and a crowd of such
// would keep every worker busy. Any thread.
#pragma once

#include <cstdint>

namespace allcores::net {

// For clients with the windows that systems have by themselves.
inline constexpr std::uint32_t most_in_kernel = 128 * 1024;

// A few windows' worth: no more pieces than it takes to keep the client supplied.
constexpr std::uint32_t output_limit(std::uint32_t window) {
    constexpr std::uint32_t least = 4096;
    if (window >= most_in_kernel / 4) return most_in_kernel;
    return window * 4 < least ? least : window * 4;
}

// Of a TCP socket; a listener's are those of the connections that it accepts. Others have none.
void limit_output(int socket, std::uint32_t bytes) noexcept;

// How many bytes the other side of a connection has room for, as it said last; as good as endless
// where the system does not tell.
std::uint32_t window_of(int socket) noexcept;

}  // namespace allcores::net
