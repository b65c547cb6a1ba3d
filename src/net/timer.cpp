#include "net/timer.h"

#include <sys/timerfd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <system_error>

namespace allcores::net {

timer::timer() : descriptor_(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)) {
    if (!descriptor_) throw std::system_error(errno, std::system_category(), "timerfd_create");
}

void timer::tick_every(std::chrono::milliseconds interval) noexcept {
    auto milliseconds = std::max<std::int64_t>(1, interval.count());
    itimerspec when{};
    when.it_interval.tv_sec = milliseconds / 1000;
    when.it_interval.tv_nsec = milliseconds % 1000 * 1'000'000;
    when.it_value = when.it_interval;
    ::timerfd_settime(descriptor_.get(), 0, &when, nullptr);
}

void timer::tick_at(std::uint64_t time_ns) noexcept {
    itimerspec when{};
    when.it_value.tv_sec = static_cast<time_t>(time_ns / 1'000'000'000);
    when.it_value.tv_nsec = static_cast<long>(time_ns % 1'000'000'000);
    ::timerfd_settime(descriptor_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
}

bool timer::take() noexcept {
    std::uint64_t ticks = 0;
    return ::read(descriptor_.get(), &ticks, sizeof ticks) == sizeof ticks;
}

}  // namespace allcores::net
