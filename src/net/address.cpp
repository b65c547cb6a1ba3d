#include "net/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <system_error>

namespace allcores::net {
namespace {

class resolver_category final : public std::error_category {
 public:
    const char* name() const noexcept override { return "resolver"; }
    std::string message(int code) const override { return ::gai_strerror(code); }
};

const std::error_category& resolver_errors() {
    static const resolver_category category;
    return category;
}

const sockaddr_in& as_ipv4(const sockaddr* any) {
    return *reinterpret_cast<const sockaddr_in*>(any);
}
const sockaddr_in6& as_ipv6(const sockaddr* any) {
    return *reinterpret_cast<const sockaddr_in6*>(any);
}

}  // namespace

address::address(const sockaddr* socket_address, socklen_t size)
    : size_(std::min<socklen_t>(size, sizeof storage_)) {
    std::memcpy(&storage_, socket_address, size_);
}

address address::of_socket(int descriptor) {
    address result;
    result.size_ = sizeof result.storage_;
    if (::getsockname(descriptor, reinterpret_cast<sockaddr*>(&result.storage_), &result.size_)) {
        throw std::system_error(errno, std::system_category(), "getsockname");
    }
    return result;
}

address address::of_path(const std::string& path) {
    sockaddr_un all{};
    all.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof all.sun_path) {
        throw std::system_error(path.empty() ? ENOENT : ENAMETOOLONG, std::system_category(),
                                "cannot listen on unix:" + path);
    }
    std::memcpy(all.sun_path, path.data(), path.size());
    const std::size_t size = offsetof(sockaddr_un, sun_path) + path.size() + 1;
    return address(reinterpret_cast<const sockaddr*>(&all), static_cast<socklen_t>(size));
}

std::string address::host() const {
    char text[INET6_ADDRSTRLEN] = "";
    if (family() == AF_INET) {
        ::inet_ntop(AF_INET, &as_ipv4(get()).sin_addr, text, sizeof text);
    } else if (family() == AF_INET6) {
        ::inet_ntop(AF_INET6, &as_ipv6(get()).sin6_addr, text, sizeof text);
    }
    return text;
}

std::uint16_t address::port() const {
    if (family() == AF_INET) return ntohs(as_ipv4(get()).sin_port);
    if (family() == AF_INET6) return ntohs(as_ipv6(get()).sin6_port);
    return 0;
}

std::string address::path() const {
    constexpr std::size_t start = offsetof(sockaddr_un, sun_path);
    if (family() != AF_UNIX || size_ <= start) return {};
    const char* name = reinterpret_cast<const sockaddr_un*>(get())->sun_path;
    return {name, ::strnlen(name, size_ - start)};
}

std::string address::text() const {
    if (family() == AF_UNIX) return "unix:" + path();
    std::string name = host();
    if (family() == AF_INET6) name = "[" + name + "]";
    return name + ":" + std::to_string(port());
}

std::vector<address> resolve(const std::string& host, std::uint16_t port) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    addrinfo* list = nullptr;
    int code = ::getaddrinfo(host.empty() ? nullptr : host.c_str(), std::to_string(port).c_str(),
                             &hints, &list);
    if (code == EAI_SYSTEM) {
        throw std::system_error(errno, std::system_category(), "cannot resolve " + host);
    }
    if (code != 0) throw std::system_error(code, resolver_errors(), "cannot resolve " + host);
    std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(list, &::freeaddrinfo);
    std::vector<address> found;
    for (addrinfo* each = list; each; each = each->ai_next) {
        found.emplace_back(each->ai_addr, each->ai_addrlen);
    }
    return found;
}

}  // namespace allcores::net
