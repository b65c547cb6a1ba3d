// The reactor over Linux's epoll, one event per wait: a second event taken along would wait for the
// first one's handler while another worker is free.
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <system_error>

#include "net/descriptor.h"
#include "net/reactor.h"

namespace allcores::net {
namespace {

std::system_error failure(const char* what) {
    return std::system_error(errno, std::system_category(), what);
}

class epoll_reactor final : public reactor {
 public:
    epoll_reactor()
        : set_(::epoll_create1(EPOLL_CLOEXEC)),
          wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
          end_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
        if (!set_ || !wake_ || !end_) throw failure("epoll");
        // The wake-up is an edge, so that it reaches one waiter; the end is a level that nobody
        // clears, so that it reaches all, one after the other.
        control(EPOLL_CTL_ADD, wake_.get(), wake_token, EPOLLIN | EPOLLET);
        control(EPOLL_CTL_ADD, end_.get(), end_token, EPOLLIN);
    }

    void add(int descriptor, token source, interest what) override {
        control(EPOLL_CTL_ADD, descriptor, source, events(what));
    }

    void rearm(int descriptor, token source, interest what) override {
        control(EPOLL_CTL_MOD, descriptor, source, events(what));
    }

    void remove(int descriptor) noexcept override {
        epoll_event unused{};
        ::epoll_ctl(set_.get(), EPOLL_CTL_DEL, descriptor, &unused);
    }

    outcome wait(event& result, int timeout_ms) override {
        epoll_event got;
        int count = ::epoll_wait(set_.get(), &got, 1, timeout_ms);
        if (count < 0 && errno != EINTR) throw failure("epoll_wait");
        if (count <= 0) return outcome::nothing;
        if (got.data.u64 == wake_token) return outcome::woken;
        if (got.data.u64 == end_token) return outcome::ended;
        result.source = static_cast<token>(got.data.u64);
        result.hung_up = (got.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
        return outcome::ready;
    }

    int pollable() const noexcept override { return set_.get(); }
    void wake() noexcept override { signal(wake_); }
    void end() noexcept override { signal(end_); }

 private:
    // No token of a user: they are addresses or small odd numbers.
    static constexpr std::uint64_t wake_token = ~std::uint64_t{0};
    static constexpr std::uint64_t end_token = ~std::uint64_t{0} - 1;

    static std::uint32_t events(interest what) {
        std::uint32_t bits = EPOLLIN | EPOLLRDHUP | EPOLLET;
        return what == interest::read_and_write ? bits | EPOLLOUT : bits;
    }

    void control(int operation, int descriptor, std::uint64_t source, std::uint32_t events) {
        epoll_event event{};
        event.events = events;
        event.data.u64 = source;
        if (::epoll_ctl(set_.get(), operation, descriptor, &event)) throw failure("epoll_ctl");
    }

    // Writing always makes a new edge; it fails only when the counter is full, and then there is
    // one already.
    static void signal(const descriptor& counter) noexcept {
        std::uint64_t one = 1;
        [[maybe_unused]] ssize_t written = ::write(counter.get(), &one, sizeof one);
    }

    descriptor set_, wake_, end_;
};

}  // namespace

std::unique_ptr<reactor> make_reactor() {
    return std::make_unique<epoll_reactor>();
}

}  // namespace allcores::net
