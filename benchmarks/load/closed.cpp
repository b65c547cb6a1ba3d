#include <sys/epoll.h>
#include <unistd.h>

#include <memory>
#include <stdexcept>
#include <vector>

#include "run.h"

namespace allcores::load {

void run_closed(const options& chosen, outcome& found, void (*ready)()) {
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    std::vector<std::unique_ptr<connection>> connections;
    for (int i = 0; i < chosen.connections; ++i)
        connections.push_back(std::make_unique<connection>(chosen.server, epoll, uint32_t(i)));
    ready();

    std::string batch;
    for (int i = 0; i < chosen.depth; ++i) batch += request_for(chosen, chosen.path);
    std::vector<uint64_t> sent(connections.size());
    std::vector<char> busy(connections.size());
    size_t waiting = 0;  // how many are busy
    const auto next = [&](uint32_t i) {
        sent[i] = now_ns();
        if (!busy[i]) busy[i] = true, ++waiting;
        if (connections[i]->send(batch, chosen.depth, chosen.body)) return;
        connections[i]->reopen(found.errors);
        ++found.reopened;
        if (!connections[i]->send(batch, chosen.depth, chosen.body))
            throw std::runtime_error("the server takes connections but no requests");
    };

    const uint64_t start = now_ns(), end = start + uint64_t(chosen.seconds * 1e9);
    const uint64_t last = end + 5'000'000'000;
    for (uint32_t i = 0; i < connections.size(); ++i) next(i);
    epoll_event events[64];
    uint64_t now = start;
    while (waiting > 0 && now < last) {
        const int count = epoll_wait(epoll, events, std::size(events), 100);
        now = now_ns();
        for (int k = 0; k < count; ++k) {
            const uint32_t i = events[k].data.u32;
            connection& one = *connections[i];
            now = now_ns();
            const bool alive = one.receive(found.errors, [&] {
                ++found.answered;
                if (now > end) return;
                ++found.in_time;
                found.cheap.record(now - sent[i]);
            });
            if (!alive) one.reopen(found.errors), ++found.reopened;
            if (one.outstanding() > 0) continue;
            if (now < end) {
                next(i);
            } else if (busy[i]) {
                busy[i] = false, --waiting;
            }
        }
    }
    for (const auto& one : connections) found.errors.unanswered += uint64_t(one->outstanding());
    found.seconds = chosen.seconds;
    close(epoll);
}

}  // namespace allcores::load
