#include "net/listener.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "net/output_limit.h"

namespace allcores::net {
namespace {

void set_option(int socket, int level, int name, int value = 1) {
    ::setsockopt(socket, level, name, &value, sizeof value);
}

// Accepted sockets inherit them on Linux, which saves calls for each.
void set_tcp_options(int socket) {
    set_option(socket, IPPROTO_TCP, TCP_NODELAY);
    limit_output(socket, most_in_kernel);
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

// Whether somebody takes connections at the unix socket of that address.
bool is_live(const address& where) {
    const descriptor caller(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    return ::connect(caller.get(), where.get(), where.size()) == 0 || errno == EAGAIN;
}

}  // namespace

// Only this process removes it, not a child that was forked, and only as long as it is the same.
struct listener::file {
    file(std::string at, const struct stat& made)
        : path(std::move(at)), device(made.st_dev), inode(made.st_ino) {}
    ~file() { remove(); }
    void remove() noexcept {
        struct stat now;
        if (removed.exchange(true, std::memory_order_relaxed) || ::getpid() != maker) return;
        if (::lstat(path.c_str(), &now) == 0 && now.st_dev == device && now.st_ino == inode) {
            ::unlink(path.c_str());
        }
    }

    const std::string path;
    const dev_t device;
    const ino_t inode;
    const pid_t maker = ::getpid();
    std::atomic<bool> removed{false};  // once, by whoever comes first
};

listener::listener(const address& where, int backlog)
    : socket_(::socket(where.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    auto fail = [&] {
        return std::system_error(errno, std::system_category(), "cannot listen on " + where.text());
    };
    if (!socket_) throw fail();
    set_option(socket_.get(), SOL_SOCKET, SO_REUSEADDR);
    if (where.family() == AF_INET6) set_option(socket_.get(), IPPROTO_IPV6, IPV6_V6ONLY);
    set_tcp_options(socket_.get());
    if (::bind(socket_.get(), where.get(), where.size())) throw fail();
    if (::listen(socket_.get(), backlog)) throw fail();
    where_ = address::of_socket(socket_.get());
}

listener listener::at_path(const std::string& path, mode_t permissions, int backlog) {
    const address where = address::of_path(path);
    auto check = [&](bool good) {
        if (good) return;
        throw std::system_error(errno, std::system_category(), "cannot listen on unix:" + path);
    };
    struct stat status;
    if (::lstat(path.c_str(), &status) == 0) {
        errno = S_ISSOCK(status.st_mode) ? EADDRINUSE : EEXIST;
        check(S_ISSOCK(status.st_mode) && !is_live(where));
        check(::unlink(path.c_str()) == 0 || errno == ENOENT);
    }
    listener made;
    made.socket_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    check(bool(made.socket_));
    // The file has these from the start, but for what umask takes away.
    ::fchmod(made.socket_.get(), permissions);
    check(::bind(made.socket_.get(), where.get(), where.size()) == 0);
    check(::lstat(path.c_str(), &status) == 0);
    made.file_ = std::make_shared<file>(path, status);
    made.where_ = where;
    check(::chmod(path.c_str(), permissions) == 0);
    check(::listen(made.socket_.get(), backlog) == 0);
    return made;
}

listener listener::adopt(int number, int backlog) {
    const std::string name = "cannot listen on descriptor " + std::to_string(number);
    auto check = [&](bool good) {
        if (!good) throw std::system_error(errno, std::system_category(), name);
    };
    int type = 0;
    int listens = 0;
    socklen_t size = sizeof type;
    check(::getsockopt(number, SOL_SOCKET, SO_TYPE, &type, &size) == 0);
    errno = EPROTOTYPE;
    check(type == SOCK_STREAM);
    listener made;
    made.is_adopted_ = true;
    made.socket_.reset(::fcntl(number, F_DUPFD_CLOEXEC, 3));
    check(bool(made.socket_));
    made.where_ = address::of_socket(number);
    errno = EAFNOSUPPORT;
    check(made.where_.family() == AF_UNIX || made.where_.family() == AF_INET ||
          made.where_.family() == AF_INET6);
    const int flags = ::fcntl(number, F_GETFL);
    check(flags >= 0 && ::fcntl(number, F_SETFL, flags | O_NONBLOCK) == 0);
    if (made.where_.family() != AF_UNIX) set_tcp_options(number);
    size = sizeof listens;
    check(::getsockopt(number, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0);
    check(listens != 0 || ::listen(number, backlog) == 0);
    return made;
}

accepted listener::accept(descriptor& connection, address& from) noexcept {
    if (is_adopted_ && closed_->load(std::memory_order_relaxed)) return accepted::none;
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
    closed_->store(true, std::memory_order_relaxed);
    if (file_) file_->remove();
    if (!is_adopted_) ::shutdown(socket_.get(), SHUT_RD);
}

std::vector<listener> listen_on(const std::vector<std::string>& hosts, std::uint16_t port,
                                int backlog) {
    std::vector<listener> listeners;
    std::vector<std::string> known;
    for (const std::string& host : hosts) {
        const std::vector<address> addresses = resolve(host, port);
        const std::size_t before = listeners.size();
        for (std::size_t i = 0; i < addresses.size(); ++i) {
            if (std::ranges::contains(known, addresses[i].text())) continue;
            known.push_back(addresses[i].text());
            const std::uint16_t chosen =
                port || listeners.empty() ? port : listeners[0].where().port();
            try {
                listeners.emplace_back(with_port(addresses[i], chosen), backlog);
            } catch (const std::system_error& error) {
                bool last_hope = i + 1 == addresses.size() && listeners.size() == before;
                if (!is_missing_here(error.code()) || last_hope) throw;
            }
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
