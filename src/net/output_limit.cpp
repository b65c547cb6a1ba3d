#include "net/output_limit.h"

// Not the C library's own header, whose tcp_info ends before the window.
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstddef>

namespace allcores::net {

void limit_output(int socket, std::uint32_t bytes) noexcept {
    ::setsockopt(socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof bytes);
}

std::uint32_t window_of(int socket) noexcept {
    tcp_info about{};
    socklen_t size = sizeof about;
    constexpr std::size_t least = offsetof(tcp_info, tcpi_snd_wnd) + sizeof about.tcpi_snd_wnd;
    if (::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &about, &size) || size < least) {
        return ~std::uint32_t{0};
    }
    return about.tcpi_snd_wnd;
}

}  // namespace allcores::net
