// A channel: items go in by push and come out by pop, each once, between any number of threads.
//
// Capacity 0 is a rendezvous (a push waits for its pop), `unbounded` never makes a push wait.
// close() lets what is inside be popped and refuses everything else; poison() drops what is inside
// too. Items may also be counted until somebody says that they have been worked on (task_done,
// join), and come out in another order than they went in, for queues.
//
// One mutex a channel, held for some instructions: items are moved, never made or dropped under it,
// no Python runs. Waiters are queued fairly, and an item goes to the first that waits; so while one
// waits to pop the channel is empty, and while one waits to push it is full.
//
// Any thread, with any GIL or none. What waits is in concurrency/waiter.h. Item: move-only plain
// memory that any thread can drop; it has an empty value.
#pragma once
#include <array>
#include <cstddef>
#include <deque>
#include <mutex>

#include "concurrency/waiter.h"

namespace allcores::concurrency {

enum class order : std::uint8_t { fifo, lifo, priority };

struct channel_statistics {
    std::uint64_t pushed = 0;
    std::uint64_t popped = 0;
    std::size_t length = 0;
    std::size_t waiting_to_push = 0;
    std::size_t waiting_to_pop = 0;
    std::uint64_t unfinished = 0;
    bool is_closed = false;
    bool is_poisoned = false;
};

template <class Item>
class channel {
 public:
    static constexpr std::size_t unbounded = static_cast<std::size_t>(-1);
    // For order::priority: whether an item comes out before another one.
    using comparison = bool (*)(const Item& one, const Item& other);

    explicit channel(std::size_t capacity, order how = order::fifo, comparison before = nullptr)
        : order_(how), before_(before), capacity_(capacity) {}
    channel(const channel&) = delete;
    channel& operator=(const channel&) = delete;

    // At once or not at all (waiting). An item is only moved from when it is done. bad_alloc.
    status try_push(Item& item) {
        bells told;
        const std::lock_guard lock(mutex_);
        return push(item, told);
    }
    status try_pop(Item& item) {
        bells told;
        const std::lock_guard lock(mutex_);
        return pop(item, told);
    }

    // What was popped for somebody who does not want it any more comes out next, whatever the
    // capacity. Dropped if the channel is poisoned.
    void put_back(Item item) {
        bells told;
        const std::lock_guard lock(mutex_);
        if (is_poisoned_) return;
        if (node<Item>* popper = poppers_.claim_first()) {
            popper->owner->item_ = std::move(item);
            popper->owner->finish(status::done, told);
            return;
        }
        if (order_ == order::fifo) {
            items_.push_front({std::move(item), 0});
        } else {
            items_.push_back({std::move(item), 0});
            settle_last();
        }
        --popped_;
    }

    void close() {
        bells told;
        const std::lock_guard lock(mutex_);
        is_closed_ = true;
        end_waiting(status::closed, told);
    }

    void poison() {
        std::deque<entry> dropped;  // after the lock
        bells told;
        const std::lock_guard lock(mutex_);
        is_closed_ = is_poisoned_ = true;
        dropped.swap(items_);
        end_waiting(status::poisoned, told);
        unfinished_ -= std::min<std::uint64_t>(unfinished_, dropped.size());
        wake_joiners(told);
    }

    // One of the items that were pushed has been worked on. False when all have.
    bool task_done() {
        bells told;
        const std::lock_guard lock(mutex_);
        if (unfinished_ == 0) return false;
        --unfinished_;
        wake_joiners(told);
        return true;
    }

    std::size_t capacity() const {
        const std::lock_guard lock(mutex_);
        return capacity_;
    }
    // More may be inside than fits afterwards; then pushes wait until it fits. Not to or from 0.
    void set_capacity(std::size_t capacity) {
        bells told;
        const std::lock_guard lock(mutex_);
        capacity_ = capacity;
        fill_up(told);
    }
    order order_of_items() const { return order_; }

    channel_statistics statistics() const {
        const std::lock_guard lock(mutex_);
        return {pushed_,         popped_,     items_.size(), pushers_.size(),
                poppers_.size(), unfinished_, is_closed_,    is_poisoned_};
    }

 private:
    friend class waiter<Item>;

    struct entry {
        Item item;
        std::uint64_t number;  // of its push, among equals of a priority
    };

    // All that follows: with the lock.

    status push(Item& item, bells& told) {
        if (is_closed_) return is_poisoned_ ? status::poisoned : status::closed;
        if (node<Item>* popper = poppers_.claim_first()) {
            popper->owner->item_ = std::move(item);
            count_push();
            ++popped_;
            popper->owner->finish(status::done, told);
            return status::done;
        }
        if (items_.size() >= capacity_) return status::waiting;
        items_.push_back({Item(), pushed_});
        items_.back().item = std::move(item);
        settle_last();
        count_push();
        return status::done;
    }

    status pop(Item& item, bells& told) {
        if (!items_.empty()) {
            take_first(item);
            ++popped_;
            fill_up(told);
            return status::done;
        }
        if (node<Item>* pusher = pushers_.claim_first()) {
            item = std::move(pusher->item);
            count_push();
            ++popped_;
            pusher->owner->finish(status::done, told);
            return status::done;
        }
        if (is_closed_) return is_poisoned_ ? status::poisoned : status::closed;
        return status::waiting;
    }

    status attempt(node<Item>& which, Item& popped, bells& told) {
        switch (which.what) {
            case action::push:
                return push(which.item, told);
            case action::pop:
                return pop(popped, told);
            case action::join:
                return unfinished_ == 0 ? status::done : status::waiting;
        }
        return status::waiting;
    }

    waiting_list<Item>& list_of(action what) {
        if (what == action::push) return pushers_;
        return what == action::pop ? poppers_ : joiners_;
    }

    void count_push() {
        ++pushed_;
        ++unfinished_;
    }

    // Those who wait to push do so while there is room. Memory may be short for that: then they
    // wait for the next pop, which takes from them directly when there is nothing else.
    void fill_up(bells& told) noexcept {
        while (!pushers_.empty() && items_.size() < capacity_) {
            try {
                items_.push_back({Item(), pushed_});
            } catch (...) {
                return;
            }
            node<Item>* pusher = pushers_.claim_first();
            if (pusher == nullptr) {
                items_.pop_back();
                return;
            }
            items_.back().item = std::move(pusher->item);
            settle_last();
            count_push();
            pusher->owner->finish(status::done, told);
        }
    }

    bool comes_later(const entry& one, const entry& other) const {
        if (before_(other.item, one.item)) return true;
        return !before_(one.item, other.item) && other.number < one.number;
    }

    void settle_last() {
        if (order_ != order::priority) return;
        std::push_heap(items_.begin(), items_.end(), [this](const entry& one, const entry& other) {
            return comes_later(one, other);
        });
    }

    void take_first(Item& item) {
        if (order_ == order::fifo) {
            item = std::move(items_.front().item);
            items_.pop_front();
            return;
        }
        if (order_ == order::priority) {
            std::pop_heap(
                items_.begin(), items_.end(),
                [this](const entry& one, const entry& other) { return comes_later(one, other); });
        }
        item = std::move(items_.back().item);
        items_.pop_back();
    }

    void end_waiting(status how, bells& told) {
        for (waiting_list<Item>* list : {&pushers_, &poppers_}) {
            while (node<Item>* found = list->claim_first()) found->owner->finish(how, told);
        }
    }

    void wake_joiners(bells& told) {
        if (unfinished_ != 0) return;
        while (node<Item>* found = joiners_.claim_first()) found->owner->finish(status::done, told);
    }

    const order order_;
    const comparison before_;
    mutable sync::mutex mutex_;  // guards what follows
    std::size_t capacity_;
    std::deque<entry> items_;  // order::priority: a heap
    waiting_list<Item> pushers_;
    waiting_list<Item> poppers_;
    waiting_list<Item> joiners_;
    std::uint64_t pushed_ = 0;
    std::uint64_t popped_ = 0;
    std::uint64_t unfinished_ = 0;
    bool is_closed_ = false;
    bool is_poisoned_ = false;
};

// All cases at one moment: with the locks of all their channels, taken in the order of addresses.
template <class Item>
bool waiter<Item>::begin(bool only_try) {
    const std::size_t count = cases_.size();
    std::array<std::uint32_t, 8> few;
    std::vector<std::uint32_t> many;
    std::span<std::uint32_t> turns(few.data(), std::min(count, few.size()));
    if (count > few.size()) {
        many.resize(count);
        turns = many;
    }
    for (std::uint32_t i = 0; i < count; ++i) turns[i] = i;
    const auto address = [this](std::uint32_t i) { return cases_[i].where; };
    if (count > 1) std::ranges::sort(turns, std::less<>(), address);

    bells told;
    std::vector<std::unique_lock<sync::mutex>> locks;
    std::unique_lock<sync::mutex> only;
    if (count == 1) {
        only = std::unique_lock(cases_[0].where->mutex_);
    } else {
        locks.reserve(count);
        for (const std::uint32_t i : turns) {
            sync::mutex& mutex = cases_[i].where->mutex_;
            if (locks.empty() || locks.back().mutex() != &mutex) locks.emplace_back(mutex);
        }
    }
    for (std::size_t left = count; left > 0; --left) {
        std::swap(turns[sync::random_below(left)], turns[left - 1]);
        node<Item>& which = cases_[turns[left - 1]];
        const status how = which.where->attempt(which, item_, told);
        if (how == status::waiting) continue;
        taken_.store(first_case + turns[left - 1], std::memory_order_relaxed);
        result_ = how;
        finished_.store(true, std::memory_order_release);
        return true;
    }
    if (only_try) return false;
    // In the shuffled order, as several may be at one channel.
    for (const std::uint32_t i : turns)
        cases_[i].where->list_of(cases_[i].what).push_back(cases_[i]);
    return false;
}

// Out of all lists. The claimer has taken the node that it claimed out before it said finished.
template <class Item>
void waiter<Item>::leave() {
    if (cases_.size() == 1 && finished()) return;
    for (node<Item>& each : cases_) {
        const std::lock_guard lock(each.where->mutex_);
        if (each.is_queued) each.where->list_of(each.what).remove(each);
    }
}

}  // namespace allcores::concurrency
