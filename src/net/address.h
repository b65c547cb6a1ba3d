// Addresses of sockets: what a listening socket is bound to and who is at the other end. Values;
// any thread.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <vector>

namespace allcores::net {

class address {
 public:
    address() = default;
    address(const sockaddr* socket_address, socklen_t size);

    // What the socket itself is bound to. Throws std::system_error.
    static address of_socket(int descriptor);

    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage_); }
    socklen_t size() const { return size_; }
    int family() const { return storage_.ss_family; }

    // Of a unix socket. Throws std::system_error (ENAMETOOLONG) where the system has no room for
    // the path.
    static address of_path(const std::string& path);

    // Numeric, without brackets: "127.0.0.1", "::1". Empty when it is neither IPv4 nor IPv6.
    std::string host() const;
    std::uint16_t port() const;
    // Of a unix socket; empty for one without a name, as clients have, and for others.
    std::string path() const;
    // As in a URL: "127.0.0.1:8000", "[::1]:8000"; "unix:/run/x.sock".
    std::string text() const;

 private:
    sockaddr_storage storage_{};
    socklen_t size_ = 0;
};

// Every address that `host` stands for, for listening on. An empty host means all interfaces.
// Throws std::system_error with the resolver's own category when the name has none.
std::vector<address> resolve(const std::string& host, std::uint16_t port);

}  // namespace allcores::net
