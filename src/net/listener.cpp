#include "net/listener.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <system_error>

namespace allcores::net {
namespace {

void set_option(int socket, int level, int name) {
    int on = 1;
    ::setsockopt(socket, level, name, &on, sizeof on);
}

address with_port(const address& original, std::uint16_t port) {
    sockaddr_storage changed{};
    __builtin_memcpy(&changed, original.get(), original.size());
    if (original.family() == AF_INET) {
        reinterpret_cast<sockaddr_in&>(changed).sin_port = htons(port);
    } else if (original.family() == AF_INET6) {
        reinterpret_cast<sockaddr_in6&>(changed).sin6_port = htons(port);
    }
    return address(reinterpret_cast<const sockaddr*>(&changed), original.size());
}

bool is_missing_here(const std::error_code& code) {
    return code == std::errc::address_not_available ||
           code == std::errc::address_family_not_supported;
}

}  // namespace

listener::listener(const address& where, int backlog)
    : socket_(::socket(where.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    auto fail = [&] {
        return std::system_error(errno, std::system_category(), "cannot listen on " + where.text());
    };
    if (!socket_) throw fail();
    set_option(socket_.get(), SOL_SOCKET, SO_REUSEADDR);
    if (where.family() == AF_INET6) set_option(socket_.get(), IPPROTO_IPV6, IPV6_V6ONLY);
    // Accepted sockets inherit it on Linux, which saves a call for each.
    set_option(socket_.get(), IPPROTO_TCP, TCP_NODELAY);
    if (::bind(socket_.get(), where.get(), where.size())) throw fail();
    if (::listen(socket_.get(), backlog)) throw fail();
    where_ = address::of_socket(socket_.get());
}

accepted listener::accept(descriptor& connection, address& from) noexcept {
    sockaddr_storage other;
    socklen_t size = sizeof other;
    int number = ::accept4(socket_.get(), reinterpret_cast<sockaddr*>(&other), &size,
                           SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (number >= 0) {
        connection.reset(number);
        from = address(reinterpret_cast<const sockaddr*>(&other), size);
        return accepted::connection;
    }
    switch (errno) {
        case EAGAIN:
        case EINVAL:  // no longer listening
            return accepted::none;
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM:
            return accepted::exhausted;
        default:  // ECONNABORTED, EINTR and errors of the network that belong to that one
                  // connection
            return accepted::again;
    }
}

void listener::close_to_clients() noexcept {
    ::shutdown(socket_.get(), SHUT_RD);
}

std::vector<listener> listen_on(const std::string& host, std::uint16_t port, int backlog) {
    std::vector<listener> listeners;
    std::vector<address> addresses = resolve(host, port);
    for (std::size_t i = 0; i < addresses.size(); ++i) {
        try {
            listeners.emplace_back(
                port ? addresses[i]
                     : with_port(addresses[i], listeners.empty() ? 0 : listeners[0].where().port()),
                backlog);
        } catch (const std::system_error& error) {
            bool last_hope = i + 1 == addresses.size() && listeners.empty();
            if (!is_missing_here(error.code()) || last_hope) throw;
        }
    }
    return listeners;
}

reserve_descriptor::reserve_descriptor() : reserve_(::open("/dev/null", O_RDONLY | O_CLOEXEC)) {}

bool reserve_descriptor::turn_away(listener& from) noexcept {
    std::lock_guard lock(mutex_);
    if (!reserve_) {
        reserve_.reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        if (!reserve_) return false;
    }
    reserve_.reset();
    descriptor unwanted;
    address unused;
    accepted result = from.accept(unwanted, unused);
    unwanted.reset();
    reserve_.reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    return result == accepted::connection || result == accepted::again;
}

}  // namespace allcores::net
