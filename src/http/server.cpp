#include "http/server.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <initializer_list>
#include <stdexcept>
#include <thread>

#include "http/server_state.h"
#include "http/worker.h"

namespace allcores::http {
namespace {

// Often enough that no timeout is late by more than a quarter, and not more than four times a
// second for the long ones.
std::uint64_t tick_for(const limits& limits) {
    std::uint64_t shortest =
        std::min({limits.header_timeout_ms, limits.body_timeout_ms, limits.keep_alive_timeout_ms,
                  limits.send_timeout_ms, limits.linger_timeout_ms});
    return std::clamp<std::uint64_t>(shortest / 4, 1, 250);
}

// Room beside those that are served, for telling others that they are not.
std::uint32_t with_refusals(std::uint32_t most) {
    return most + most / 8 + 64;
}

std::uint64_t cpu_ns(clockid_t clock, std::uint64_t otherwise) {
    timespec used;
    if (::clock_gettime(clock, &used)) return otherwise;
    return static_cast<std::uint64_t>(used.tv_sec) * 1'000'000'000 +
           static_cast<std::uint64_t>(used.tv_nsec);
}

// A socket whose client is gone must be an error, not the end of the process: sendfile has no flag
// for that. Python has done the same for its process already.
void ignore_broken_pipes() {
    struct sigaction now;
    if (::sigaction(SIGPIPE, nullptr, &now) == 0 && now.sa_handler == SIG_DFL) {
        ::signal(SIGPIPE, SIG_IGN);
    }
}

// Those that this process may use.
unsigned count_cores() {
    cpu_set_t allowed;
    if (::sched_getaffinity(0, sizeof allowed, &allowed))
        return std::thread::hardware_concurrency();
    return static_cast<unsigned>(std::max(1, CPU_COUNT(&allowed)));
}

constexpr auto tick_while_draining = std::chrono::milliseconds(5);

}  // namespace

server::shared::shared(server_options given)
    : options(std::move(given)),
      cores(count_cores()),
      seats(cores),
      spools(options.limits.max_spooled_bytes),
      tick_ms(tick_for(options.limits)),
      reactor(net::make_reactor()),
      duties(options.workers, options.on_duty != 0 ? options.on_duty : cores),
      pool(with_refusals(options.limits.max_connections)) {
    for (unsigned i = 0; i < options.workers; ++i) {
        workers.push_back(std::make_unique<worker_slot>());
    }
}

server::server(server_options options) : shared_(std::make_unique<shared>(std::move(options))) {}

server::~server() = default;

void server::listen() {
    shared& all = *shared_;
    if (!all.listeners.empty()) throw std::logic_error("the server listens already");
    ignore_broken_pipes();
    const server_options& options = all.options;
    std::vector<std::string> hosts = options.hosts;
    if (hosts.empty() && options.paths.empty() && options.descriptors.empty()) {
        hosts.push_back(options.host);
    }
    std::vector<net::listener> made = net::listen_on(hosts, options.port, options.backlog);
    for (const std::string& path : options.paths) {
        made.push_back(net::listener::at_path(path, options.path_permissions, options.backlog));
    }
    for (int number : options.descriptors) {
        made.push_back(net::listener::adopt(number, options.backlog));
    }
    all.listeners = std::move(made);
    for (std::size_t i = 0; i < all.listeners.size(); ++i) {
        all.reactor->add(all.listeners[i].get(), shared::listener_token(i),
                         net::reactor::interest::read);
    }
    all.reactor->add(all.timer.get(), shared::timer_token, net::reactor::interest::read);
    all.timer.tick_every(std::chrono::milliseconds(all.tick_ms));
}

std::vector<net::address> server::addresses() const {
    std::vector<net::address> result;
    for (const net::listener& each : shared_->listeners) result.push_back(each.where());
    return result;
}

void server::run(application& application, unsigned number) {
    shared& all = *shared_;
    if (all.listeners.empty()) throw std::logic_error("run() before listen()");
    shared::worker_slot& slot = *all.workers.at(number);
    clockid_t clock;
    if (::pthread_getcpuclockid(::pthread_self(), &clock)) clock = CLOCK_THREAD_CPUTIME_ID;
    slot.cpu_clock.store(clock, std::memory_order_relaxed);
    slot.cpu_at_start_ns.store(cpu_ns(clock, 0), std::memory_order_relaxed);
    slot.retire_by_ms.store(0, std::memory_order_relaxed);
    slot.runs.store(true, std::memory_order_release);
    {
        worker serving(all, number, application, slot.counts);
        all.seats.add_worker();
        serving.run();
        all.seats.remove_worker();
    }
    std::uint64_t used = cpu_ns(clock, 0) - slot.cpu_at_start_ns.load(std::memory_order_relaxed);
    slot.runs.store(false, std::memory_order_relaxed);
    slot.cpu_before_ns.store(slot.cpu_before_ns.load(std::memory_order_relaxed) + used,
                             std::memory_order_relaxed);
}

void server::retire(unsigned number, std::chrono::milliseconds grace) {
    const auto end = shared::now_ns() / 1'000'000 +
                     static_cast<std::uint64_t>(std::max<std::int64_t>(0, grace.count()));
    shared_->workers.at(number)->retire_by_ms.store(std::max<std::uint64_t>(1, end),
                                                    std::memory_order_release);
    shared_->duties.let_go(number);
}

std::chrono::milliseconds server::busy_for(unsigned number) const {
    const std::uint64_t since = shared_->duties.busy_since(number);
    const std::uint64_t now = shared::now_ns();
    return std::chrono::milliseconds(since == 0 || since > now ? 0 : (now - since) / 1'000'000);
}

std::uint64_t server::requests(unsigned number) const {
    return shared_->workers.at(number)->counts.requests.value();
}

void server::stop(std::chrono::milliseconds grace) {
    shared& all = *shared_;
    std::uint64_t end = shared::now_ns() / 1'000'000 +
                        static_cast<std::uint64_t>(std::max<std::int64_t>(0, grace.count()));
    std::uint64_t known = all.drain_deadline_ms.load(std::memory_order_relaxed);
    while (end < known && !all.drain_deadline_ms.compare_exchange_weak(known, end)) {
    }
    if (!all.draining.exchange(true, std::memory_order_seq_cst)) {
        for (net::listener& each : all.listeners) each.close_to_clients();
        all.timer.tick_every(tick_while_draining);
        all.reactor->wake();
    }
    if (grace.count() <= 0 || all.pool.open() == 0) all.finish();
}

statistics server::snapshot(unsigned number) const {
    return shared_->snapshot(number);
}

statistics server::shared::snapshot(unsigned number) const {
    const worker_slot& slot = *workers.at(number);
    statistics result = slot.counts.copy();
    result.cpu_ns = slot.cpu_before_ns.load(std::memory_order_relaxed);
    if (slot.runs.load(std::memory_order_acquire)) {
        std::uint64_t start = slot.cpu_at_start_ns.load(std::memory_order_relaxed);
        // Fails, and then adds nothing, when the thread has ended since.
        result.cpu_ns += cpu_ns(slot.cpu_clock.load(std::memory_order_relaxed), start) - start;
    }
    return result;
}

std::uint64_t server::open_connections() const {
    return shared_->pool.open();
}

const server_options& server::options() const {
    return shared_->options;
}

}  // namespace allcores::http
