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
#include <algorithm>
#include <cstddef>
#include <mutex>
#include <utility>

#include "concurrency/channel_items.h"
#include "concurrency/waiter.h"

namespace allcores::concurrency {

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
    using comparison = channel_items<Item>::comparison;

    explicit channel(std::size_t capacity, order how = order::fifo, comparison before = nullptr)
        : items_(how, before), capacity_(capacity) {}
    channel(const channel&) = delete;
    channel& operator=(const channel&) = delete;

    // Whoever is going to push may say so before it makes its item: what other cores have of the
    // channel, and of one who waits to pop (on the same place of its stack as the last time, most
    // likely), comes meanwhile.
    void expect_push() const noexcept {
        if (!last_popper_.fetch()) return;
        sync::fetch_to_write(&mutex_);
        last_waiter_.fetch();
    }

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
            popper->owner->receive(std::move(item));
            popper->owner->finish(status::done, told);
            return;
        }
        items_.put_back(std::move(item));
        --popped_;
    }

    void close() {
        bells told;
        const std::lock_guard lock(mutex_);
        is_closed_ = true;
        end_waiting(status::closed, told);
    }

    void poison() {
        typename channel_items<Item>::content dropped;  // after the lock
        bells told;
        const std::lock_guard lock(mutex_);
        is_closed_ = is_poisoned_ = true;
        items_.take_all(dropped);
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
    order order_of_items() const { return items_.how(); }

    channel_statistics statistics() const {
        const std::lock_guard lock(mutex_);
        return {pushed_,         popped_,     items_.size(), pushers_.size(),
                poppers_.size(), unfinished_, is_closed_,    is_poisoned_};
    }

 private:
    friend class waiter<Item>;

    // All that follows: with the lock.

    status push(Item& item, bells& told) {
        if (is_closed_) return is_poisoned_ ? status::poisoned : status::closed;
        if (node<Item>* popper = poppers_.claim_first()) {
            last_popper_.note(popper);
            last_waiter_.note(popper->owner);
            popper->owner->receive(std::move(item));
            count_push();
            ++popped_;
            popper->owner->finish(status::done, told);
            return status::done;
        }
        last_popper_.note(nullptr);
        if (items_.size() >= capacity_) return status::waiting;
        items_.make_room(pushed_);
        items_.fill_room(std::move(item));
        count_push();
        return status::done;
    }

    status pop(Item& item, bells& told) {
        if (!items_.empty()) {
            items_.take_first(item);
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
                items_.make_room(pushed_);
            } catch (...) {
                return;
            }
            node<Item>* pusher = pushers_.claim_first();
            if (pusher == nullptr) return items_.give_up_room();
            items_.fill_room(std::move(pusher->item));
            count_push();
            pusher->owner->finish(status::done, told);
        }
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

    // In the order in which a push needs them for one who waits to pop: all in one cache line.
    alignas(cache_line) mutable sync::mutex mutex_;  // guards what follows, but for items_' order
    bool is_closed_ = false;
    bool is_poisoned_ = false;
    waiting_list<Item> poppers_;
    std::uint64_t pushed_ = 0;
    std::uint64_t popped_ = 0;
    std::uint64_t unfinished_ = 0;

    // (In another cache line, which is not written for each item that goes from hand to hand.)
    channel_items<Item> items_;
    std::size_t capacity_;
    sync::hint last_popper_, last_waiter_;  // of the last push; read without the lock
    waiting_list<Item> pushers_;
    waiting_list<Item> joiners_;
};

}  // namespace allcores::concurrency

#include "concurrency/waiter_begin.h"
