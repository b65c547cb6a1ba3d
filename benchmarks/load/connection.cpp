#include "connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <system_error>

namespace allcores::load {

namespace {

// Shared by all connections, so that it stays in the cache; what is left over moves to `rest_`.
constexpr size_t room = 256 * 1024;
char buffer[room];

[[noreturn]] void fail(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

}  // namespace

int connect_to(const address& server) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) fail("socket");
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(uint16_t(server.port));
    if (inet_pton(AF_INET, server.host.c_str(), &to.sin_addr) != 1) {
        errno = EINVAL;
        fail("--host must be an IPv4 address");
    }
    if (connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) {
        const int error = errno;
        close(fd);
        errno = error;
        fail("connect");
    }
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

connection::connection(const address& server, int epoll, uint32_t number)
    : server_(server), epoll_(epoll), number_(number) {
    error_counts none;
    reopen(none);
}

connection::~connection() {
    if (fd_ >= 0) close(fd_);
}

void connection::reopen(error_counts& errors) {
    errors.closed += uint64_t(outstanding_);
    outstanding_ = 0;
    watches_room_ = false;
    rest_.clear();
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
    fd_ = connect_to(server_);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u32 = number_;
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd_, &event) != 0) fail("epoll_ctl");
}

bool connection::send(std::string_view bytes, int count, std::string_view body) {
    expected_ = body;
    outstanding_ += count;
    // Requests are far smaller than a socket's buffer, and nothing is sent before the answers to
    // the last ones.
    return ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT) ==
           ptrdiff_t(bytes.size());
}

ptrdiff_t connection::send_part(std::string_view bytes) {
    return ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void connection::watch_room(bool watches) {
    if (watches == watches_room_) return;
    watches_room_ = watches;
    epoll_event event{};
    event.events = watches ? EPOLLIN | EPOLLOUT : EPOLLIN;
    event.data.u32 = number_;
    if (epoll_ctl(epoll_, EPOLL_CTL_MOD, fd_, &event) != 0) fail("epoll_ctl");
}

std::string_view connection::read(bool& ended) {
    const size_t before = rest_.size();
    if (before >= room) return ended = true, std::string_view();
    memcpy(buffer, rest_.data(), before);
    const ptrdiff_t got = recv(fd_, buffer + before, room - before, MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) ended = true;
    return {buffer, before + size_t(got > 0 ? got : 0)};
}

ptrdiff_t connection::parse(std::string_view data, error_counts& errors) {
    if (head_.empty() || !data.starts_with(head_)) {
        const ptrdiff_t size = parse_head(data);
        if (size <= 0) return size;
    }
    if (chunked_) return parse_chunks(data, errors);
    const size_t size = head_.size() + body_length_;
    if (data.size() < size) return 0;
    if (!status_ok_) {
        errors.status += 1;
    } else if (data.substr(head_.size(), body_length_) != expected_) {
        errors.body += 1;
    }
    return ptrdiff_t(size);
}

ptrdiff_t connection::parse_head(std::string_view data) {
    const size_t end = data.find("\r\n\r\n");
    if (end == std::string_view::npos) return data.size() > 64 * 1024 ? -1 : 0;
    const std::string_view head = data.substr(0, end + 4);
    if (!head.starts_with("HTTP/1.1 ")) return -1;
    constexpr std::string_view name = "content-length:", coding = "transfer-encoding: chunked\r\n";
    size_t line = head.find("\r\n") + 2;
    bool known = false;
    chunked_ = false;
    while (line < end && !known) {
        if (strncasecmp(head.data() + line, name.data(), name.size()) == 0) {
            const char* digits = head.data() + line + name.size();
            while (*digits == ' ') ++digits;
            known = std::from_chars(digits, head.data() + end, body_length_).ec == std::errc();
        } else if (strncasecmp(head.data() + line, coding.data(), coding.size()) == 0) {
            known = chunked_ = true;
        }
        line = head.find("\r\n", line) + 2;
    }
    if (!known) return -1;
    status_ok_ = head.substr(9).starts_with("200");
    head_.assign(head);
    return ptrdiff_t(head.size());
}

// A whole response whose head is known; it is looked at from its beginning each time more has come.
ptrdiff_t connection::parse_chunks(std::string_view data, error_counts& errors) {
    chunks_.clear();
    size_t at = head_.size();
    for (;;) {
        const size_t end = data.find("\r\n", at);
        if (end == std::string_view::npos) return 0;
        size_t size = 0;
        if (std::from_chars(data.data() + at, data.data() + end, size, 16).ec != std::errc())
            return -1;
        at = end + 2;
        if (data.size() < at + size + 2) return 0;
        chunks_.append(data.substr(at, size));
        at += size + 2;  // without trailers, the last one's end is that of the response
        if (size == 0) break;
    }
    if (!status_ok_) {
        errors.status += 1;
    } else if (chunks_ != expected_) {
        errors.body += 1;
    }
    return ptrdiff_t(at);
}

}  // namespace allcores::load
