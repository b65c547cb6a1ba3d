#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <vector>

#include "run.h"

namespace allcores::load {

namespace {

// One request under way: what of its body is still to be sent.
struct upload {
    size_t left = 0;
    uint64_t began = 0;
    bool busy = false;
};

}  // namespace

void run_upload(const options& chosen, outcome& found, void (*ready)()) {
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    std::vector<std::unique_ptr<connection>> connections;
    for (int i = 0; i < chosen.connections; ++i)
        connections.push_back(std::make_unique<connection>(chosen.server, epoll, uint32_t(i)));
    std::vector<upload> uploads(connections.size());
    const std::string head = "POST " + chosen.path + " HTTP/1.1\r\nHost: " + chosen.server.host +
                             "\r\nContent-Type: application/octet-stream\r\nContent-Length: " +
                             std::to_string(chosen.size) + "\r\n\r\n";
    const std::string part(256 * 1024, 'x');
    size_t waiting = 0;  // how many are busy
    ready();

    // What the socket takes; the rest when it has room.
    const auto send_more = [&](uint32_t i) {
        upload& one = uploads[i];
        while (one.left) {
            const size_t size = std::min(part.size(), one.left);
            const ptrdiff_t sent = connections[i]->send_part({part.data(), size});
            if (sent <= 0) break;
            one.left -= size_t(sent);
        }
        connections[i]->watch_room(one.left > 0);
    };
    const auto next = [&](uint32_t i) {
        if (!uploads[i].busy) ++waiting;
        uploads[i] = {chosen.size, now_ns(), true};
        if (!connections[i]->send(head, 1, chosen.body)) {
            connections[i]->reopen(found.errors);
            ++found.reopened;
            if (!connections[i]->send(head, 1, chosen.body))
                throw std::runtime_error("the server takes connections but no requests");
        }
        send_more(i);
    };

    const uint64_t start = now_ns(), end = start + uint64_t(chosen.seconds * 1e9);
    const uint64_t last = end + 5'000'000'000;
    for (uint32_t i = 0; i < connections.size(); ++i) next(i);
    epoll_event events[64];
    uint64_t now = start;
    while (waiting > 0 && now < last) {
        const int count = epoll_wait(epoll, events, std::size(events), 100);
        for (int k = 0; k < count; ++k) {
            const uint32_t i = events[k].data.u32;
            upload& one = uploads[i];
            if (events[k].events & EPOLLOUT) send_more(i);
            if (!(events[k].events & ~uint32_t(EPOLLOUT))) continue;
            now = now_ns();
            const bool alive = connections[i]->receive(found.errors, [&] {
                ++found.answered;
                if (now > end) return;
                ++found.in_time;
                found.cheap.record(now - one.began);
            });
            if (!alive) connections[i]->reopen(found.errors), ++found.reopened;
            if (connections[i]->outstanding() > 0) continue;
            if (now < end) {
                next(i);
            } else if (one.busy) {
                one.busy = false, --waiting;
            }
        }
        now = now_ns();
    }
    for (const auto& one : connections) found.errors.unanswered += uint64_t(one->outstanding());
    found.seconds = chosen.seconds;
    close(epoll);
}

}  // namespace allcores::load
