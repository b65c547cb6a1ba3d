// Blocking calls for the tests of channels, as the bindings make them.
#pragma once
#include <gtest/gtest.h>

#include <thread>
#include <utility>
#include <vector>

#include "concurrency/channel.h"

namespace allcores::concurrency::testing {

// Move-only, as messages are, and empty when it was moved from.
class item {
 public:
    item() = default;
    explicit item(int value) : value_(value), is_there_(true) {}
    item(item&& other) noexcept
        : value_(other.value_), is_there_(std::exchange(other.is_there_, false)) {}
    item& operator=(item&& other) noexcept {
        value_ = other.value_;
        is_there_ = std::exchange(other.is_there_, false);
        return *this;
    }
    item(const item&) = delete;
    item& operator=(const item&) = delete;
    ~item() = default;

    explicit operator bool() const { return is_there_; }
    int operator*() const { return is_there_ ? value_ : no_item; }

    static constexpr int no_item = -1000;

 private:
    int value_ = 0;
    bool is_there_ = false;
};
using int_channel = channel<item>;
using int_node = node<item>;
using int_waiter = waiter<item>;

inline item make(int value) {
    return item(value);
}

inline void wait_for(int_waiter& waiting) {
    const std::shared_ptr<parker>& own = parker::mine();
    if (own->look(sync::now(), [&] { return waiting.finished(); })) return;
    if (!waiting.ask_for_ring(own)) return;
    while (!waiting.finished()) own->park(parker::time_point::max());
}

inline status push(int_channel& where, int value) {
    int_node only[] = {{&where, action::push, make(value)}};
    int_waiter waiting(only);
    if (!waiting.begin()) wait_for(waiting);
    return waiting.result();
}

// What was popped, or the status below 0.
constexpr int closed = -1;
constexpr int poisoned = -2;
constexpr int nothing = -3;

inline int value_of(status how, const item& popped) {
    if (how == status::done) return *popped;
    if (how == status::waiting) return nothing;
    return how == status::closed ? closed : poisoned;
}

inline int pop(int_channel& where) {
    int_node only[] = {{&where, action::pop}};
    int_waiter waiting(only);
    if (!waiting.begin()) wait_for(waiting);
    return value_of(waiting.result(), waiting.item());
}

inline int try_pop(int_channel& where) {
    item popped;
    const status how = where.try_pop(popped);
    return value_of(how, popped);
}

inline status try_push(int_channel& where, int value) {
    item pushed = make(value);
    return where.try_push(pushed);
}

inline void until_pushers_wait(const int_channel& where, std::size_t count) {
    while (where.statistics().waiting_to_push < count) std::this_thread::yield();
}

inline void until_poppers_wait(const int_channel& where, std::size_t count) {
    while (where.statistics().waiting_to_pop < count) std::this_thread::yield();
}

}  // namespace allcores::concurrency::testing
