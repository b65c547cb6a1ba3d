#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <memory>
#include <random>
#include <stdexcept>
#include <vector>

#include "run.h"

namespace allcores::load {

namespace {

struct arrival {
    uint64_t due;
    bool slow;
};

// Requests that become due, one after the other, at random times with a given mean rate.
class arrivals {
 public:
    arrivals(const options& chosen, uint64_t start)
        : random_(chosen.seed), gap_(chosen.rate), slow_(chosen.slow_share), next_(start) {
        advance();
    }
    uint64_t next_due() const { return next_; }
    arrival take() {
        const arrival taken{next_, slow_(random_)};
        advance();
        return taken;
    }
    size_t below(size_t limit) {
        return std::uniform_int_distribution<size_t>(0, limit - 1)(random_);
    }

 private:
    void advance() { next_ += uint64_t(gap_(random_) * 1e9); }
    std::mt19937_64 random_;
    std::exponential_distribution<double> gap_;
    std::bernoulli_distribution slow_;
    uint64_t next_;
};

}  // namespace

void run_open(const options& chosen, outcome& found, void (*ready)()) {
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    std::vector<std::unique_ptr<connection>> connections;
    std::vector<uint32_t> idle;
    for (int i = 0; i < chosen.connections; ++i) {
        connections.push_back(std::make_unique<connection>(chosen.server, epoll, uint32_t(i)));
        idle.push_back(uint32_t(i));
    }
    ready();

    const std::string cheap = request_for(chosen, chosen.path);
    const std::string slow = request_for(chosen, chosen.slow_path);
    std::vector<arrival> under_way(connections.size());
    std::deque<arrival> queue;  // due, and no connection was free
    const uint64_t start = now_ns(), end = start + uint64_t(chosen.seconds * 1e9);
    const uint64_t measured_from = start + uint64_t(chosen.warm_up * 1e9);
    const uint64_t last = end + 5'000'000'000;
    arrivals source(chosen, start);

    const auto send = [&](uint32_t i, const arrival& what) {
        under_way[i] = what;
        const std::string& bytes = what.slow ? slow : cheap;
        const std::string& body = what.slow ? chosen.slow_body : chosen.body;
        if (connections[i]->send(bytes, 1, body)) return;
        connections[i]->reopen(found.errors);
        ++found.reopened;
        if (!connections[i]->send(bytes, 1, body))
            throw std::runtime_error("the server takes connections but no requests");
    };
    const auto finish = [&](uint32_t i, uint64_t now) {
        ++found.answered;
        const arrival& what = under_way[i];
        idle.push_back(i);
        if (what.due < measured_from) return;
        ++found.in_time;
        (what.slow ? found.slow : found.cheap).record(now - what.due);
    };

    epoll_event events[64];
    uint64_t now = start;
    while (now < last && (now < end || !queue.empty() || idle.size() < connections.size())) {
        while (source.next_due() <= std::min(now, end)) {
            queue.push_back(source.take());
            if (queue.back().due >= measured_from) found.late.record(now - queue.back().due);
        }
        while (!queue.empty() && !idle.empty()) {
            // A random one: users come and go, whichever worker has their connection.
            std::swap(idle[source.below(idle.size())], idle.back());
            const uint32_t i = idle.back();
            idle.pop_back();
            send(i, queue.front());
            queue.pop_front();
        }
        found.most_queued = std::max<uint64_t>(found.most_queued, queue.size());

        const uint64_t until = source.next_due() <= end ? source.next_due() : last;
        now = now_ns();
        const uint64_t wait = until > now ? std::min<uint64_t>(until - now, 100'000'000) : 0;
        const timespec timeout{0, long(wait)};
        const int count = epoll_pwait2(epoll, events, std::size(events), &timeout, nullptr);
        for (int k = 0; k < count; ++k) {
            const uint32_t i = events[k].data.u32;
            const bool was_busy = connections[i]->outstanding() > 0;
            now = now_ns();
            const bool alive = connections[i]->receive(found.errors, [&] { finish(i, now); });
            if (alive) continue;
            const bool lost = was_busy && connections[i]->outstanding() > 0;
            connections[i]->reopen(found.errors);
            ++found.reopened;
            if (lost) idle.push_back(i);
        }
        now = now_ns();
    }
    for (const auto& one : connections) found.errors.unanswered += uint64_t(one->outstanding());
    found.errors.unanswered += queue.size();
    found.seconds = chosen.seconds - chosen.warm_up;
    close(epoll);
}

}  // namespace allcores::load
