#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "run.h"

namespace allcores::load {

namespace {

// Of one message, in one frame: as a client sends it (masked, by zeros) and as a server does.
std::string frame(const std::string& text, bool masked) {
    std::string made = "\x81";
    const char mask = masked ? char(0x80) : char(0);
    if (text.size() < 126) {
        made += char(mask | char(text.size()));
    } else {
        made += char(mask | 126);
        made += char(text.size() >> 8);
        made += char(text.size() & 0xff);
    }
    if (masked) made.append(4, '\0');
    return made + text;
}

// The next bytes of a socket, within 5 seconds; throws without.
void receive_some(int fd, std::string& received) {
    pollfd waiting{fd, POLLIN, 0};
    char buffer[4096];
    const ptrdiff_t got = poll(&waiting, 1, 5000) == 1 ? recv(fd, buffer, sizeof buffer, 0) : 0;
    if (got <= 0) throw std::runtime_error("no answer to the handshake");
    received.append(buffer, size_t(got));
}

int open_websocket(const options& chosen) {
    const int fd = connect_to(chosen.server);
    const std::string request =
        "GET " + chosen.path + " HTTP/1.1\r\nHost: " + chosen.server.host +
        "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n\r\n";
    std::string received;
    if (send(fd, request.data(), request.size(), MSG_NOSIGNAL) != ptrdiff_t(request.size()))
        throw std::runtime_error("the handshake can't be sent");
    while (received.find("\r\n\r\n") == std::string::npos) receive_some(fd, received);
    if (!received.starts_with("HTTP/1.1 101"))
        throw std::runtime_error("no WebSocket: " + received.substr(0, received.find("\r\n")));
    return fd;
}

}  // namespace

void run_websocket(const options& chosen, outcome& found, void (*ready)()) {
    if (chosen.size > 65535) throw std::invalid_argument("--size is at most 65535");
    const std::string text(chosen.size, 'x');
    const std::string sent = frame(text, true), expected = frame(text, false);
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct one {
        int fd;
        uint64_t began = 0;
        bool busy = false;
        std::string received = {};
    };
    std::vector<one> all;
    for (int i = 0; i < chosen.connections; ++i) {
        all.push_back({open_websocket(chosen)});
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.u32 = uint32_t(i);
        epoll_ctl(epoll, EPOLL_CTL_ADD, all.back().fd, &event);
    }
    ready();

    size_t waiting = 0;  // how many are busy
    const auto next = [&](one& each) {
        if (!each.busy) each.busy = true, ++waiting;
        each.began = now_ns();
        each.received.clear();
        if (send(each.fd, sent.data(), sent.size(), MSG_NOSIGNAL) != ptrdiff_t(sent.size()))
            throw std::runtime_error("the server takes no messages");
    };
    const uint64_t start = now_ns(), end = start + uint64_t(chosen.seconds * 1e9);
    const uint64_t last = end + 5'000'000'000;
    for (one& each : all) next(each);
    epoll_event events[64];
    char buffer[70'000];
    uint64_t now = start;
    while (waiting > 0 && now < last) {
        const int count = epoll_wait(epoll, events, std::size(events), 100);
        for (int k = 0; k < count; ++k) {
            one& each = all[events[k].data.u32];
            const ptrdiff_t got = recv(each.fd, buffer, sizeof buffer, MSG_DONTWAIT);
            if (got < 0 && errno == EAGAIN) continue;
            if (got <= 0) throw std::runtime_error("the server closed a WebSocket");
            each.received.append(buffer, size_t(got));
            if (each.received.size() < expected.size()) continue;
            now = now_ns();
            ++found.answered;
            if (each.received != expected) found.errors.body += 1;
            if (now <= end) {
                ++found.in_time;
                found.cheap.record(now - each.began);
                next(each);
            } else {
                each.busy = false, --waiting;
            }
        }
        now = now_ns();
    }
    found.errors.unanswered += waiting;
    found.seconds = chosen.seconds;
    for (const one& each : all) close(each.fd);
    close(epoll);
}

}  // namespace allcores::load
