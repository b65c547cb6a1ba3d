// A call that waits at channels until one of them does what it wants: push, pop, join or a select
// of several.
//
// It stands in a list of each of its channels by one node a case. Whoever finds a node there (the
// other side, with the channel's lock) has to claim the waiter first, by one atomic word: so
// exactly one of its cases happens, or the waiter cancels, and then none. The claimer does the case
// (moves the item), says so with `finished`, and touches the waiter no more. It rings the alarm
// after it has let go of the lock, if there is one: who looks for `finished` itself, for a moment,
// does so without, as the alarm would cost the other side the time to fetch it from this core.
//
// A waiter and its nodes are made, begun, cancelled and destroyed by one thread at a time, and take
// the locks of their channels: never with one of those held. No GIL is needed.
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "concurrency/parker.h"
#include "concurrency/sync.h"

namespace allcores::concurrency {

template <class Item>
class channel;
template <class Item>
class waiter;

enum class action : std::uint8_t { push, pop, join };
// waiting: nothing has happened.
enum class status : std::uint8_t { waiting, done, closed, poisoned };

// What another core has to fetch at once, or not at all.
inline constexpr std::size_t cache_line = 64;

// One case of a waiter. The channel has to outlive it.
template <class Item>
struct alignas(cache_line) node {
    channel<Item>* where = nullptr;
    action what = action::pop;
    Item item = {};  // what is pushed, until it has been

    // What follows is guarded by the channel's lock, but for `owner`, which is constant once begun.
    bool is_queued = false;
    waiter<Item>* owner = nullptr;
    node* previous = nullptr;
    node* next = nullptr;
};

// The nodes that wait for one thing at one channel, in the order they came.
template <class Item>
class waiting_list {
 public:
    bool empty() const { return first_ == nullptr; }
    std::size_t size() const { return size_; }

    void push_back(node<Item>& added) {
        added.previous = last_;
        added.next = nullptr;
        added.is_queued = true;
        (last_ == nullptr ? first_ : last_->next) = &added;
        last_ = &added;
        ++size_;
    }

    void remove(node<Item>& gone) {
        (gone.previous == nullptr ? first_ : gone.previous->next) = gone.next;
        (gone.next == nullptr ? last_ : gone.next->previous) = gone.previous;
        gone.is_queued = false;
        --size_;
    }

    // The first whose waiter could be claimed, taken from the list, or null.
    node<Item>* claim_first() {
        while (first_ != nullptr) {
            node<Item>* found = first_;
            remove(*found);
            if (found->owner->claim(*found)) return found;
        }
        return nullptr;
    }

 private:
    node<Item>* first_ = nullptr;
    node<Item>* last_ = nullptr;
    std::size_t size_ = 0;
};

// Who is to be told, after the locks have been let go.
class bells {
 public:
    void add(std::shared_ptr<alarm> bell, std::uint64_t token) noexcept {
        if (first_ == nullptr) {
            first_ = std::move(bell);
            first_token_ = token;
            return;
        }
        try {
            more_.emplace_back(std::move(bell), token);
        } catch (...) {
            bell->ring(token);  // with the lock held, which is slow, but not wrong
        }
    }
    ~bells() {
        if (first_ != nullptr) first_->ring(first_token_);
        for (const auto& [bell, token] : more_) bell->ring(token);
    }
    bells() = default;
    bells(const bells&) = delete;
    bells& operator=(const bells&) = delete;

 private:
    std::shared_ptr<alarm> first_;
    std::uint64_t first_token_ = 0;
    std::vector<std::pair<std::shared_ptr<alarm>, std::uint64_t>> more_;
};

template <class Item>
class alignas(cache_line) waiter {
 public:
    // `cases` have to outlive it and to stay where they are.
    waiter(std::span<node<Item>> cases, std::shared_ptr<alarm> bell, std::uint64_t token = 0)
        : cases_(cases), bell_(std::move(bell)), token_(token), taken_(nobody) {
        for (node<Item>& each : cases_) each.owner = this;
    }
    // Without an alarm: ask for it before you sleep.
    explicit waiter(std::span<node<Item>> cases) : cases_(cases), taken_(watched) {
        for (node<Item>& each : cases_) each.owner = this;
    }
    ~waiter() {
        if (cases_.size() == 1 && finished()) return;  // it is in no list
        if (!cancel()) leave();
    }
    waiter(const waiter&) = delete;
    waiter& operator=(const waiter&) = delete;

    // Does one of the cases that can be done now, chosen at random, and then is finished. If there
    // is none, waits at all of them (false), unless it is only to try. Throws bad_alloc, with
    // nothing done. Once.
    bool begin(bool only_try = false);

    // Whether one of the cases happened. Pairs with the claimer's finish().
    bool finished() const { return finished_.load(std::memory_order_acquire); }

    // Whoever finishes it from now on rings (true), or it is finished already (false). Once, of one
    // that was made without an alarm.
    bool ask_for_ring(std::shared_ptr<alarm> bell) {
        bell_ = std::move(bell);
        std::uint32_t expected = watched;
        if (taken_.compare_exchange_strong(expected, nobody)) return true;
        await_claimer();
        return false;
    }

    // Nothing happens any more (true), or it has happened already (false).
    bool cancel() {
        std::uint32_t found = nobody;
        if (take(found, cancelled)) {
            leave();
            return true;
        }
        if (found == cancelled) return true;
        await_claimer();
        return false;
    }

    std::span<const node<Item>> cases() const { return cases_; }

    // When finished: which case it was, what came of it, and what was popped.
    std::size_t index() const { return taken_.load(std::memory_order_relaxed) - first_case; }
    status result() const { return result_; }
    Item& item() { return item_; }

    // Ends a wait that nobody is interested in any more: what was popped, and is still here, goes
    // back into its channel. bad_alloc: then it is dropped.
    void give_up() {
        if (cancel() || result_ != status::done || !item_) return;
        cases_[index()].where->put_back(std::move(item_));
    }

 private:
    friend class channel<Item>;
    friend class waiting_list<Item>;

    // From one of the two states of nobody's; `found`, one of them, becomes what it was. (They
    // change once at most, from watched to nobody.)
    bool take(std::uint32_t& found, std::uint32_t wanted) {
        do {
            if (taken_.compare_exchange_strong(found, wanted)) return true;
        } while (found == watched || found == nobody);
        return false;
    }

    bool claim(const node<Item>& by) {
        std::uint32_t found = watched;
        if (!take(found, first_case + static_cast<std::uint32_t>(&by - cases_.data())))
            return false;
        rings_ = found == nobody;
        return true;
    }

    // By who has claimed it, for what it has popped. (What was there is empty, and is not looked
    // at: to read it would mean to fetch it from the core that waits, and then again to write it.)
    void receive(Item&& popped) noexcept { std::construct_at(&item_, std::move(popped)); }

    // By who has claimed it, and has done the case.
    void finish(status how, bells& told) noexcept {
        if (rings_) told.add(std::move(bell_), token_);
        result_ = how;
        finished_.store(true, std::memory_order_release);
    }

    // It is claimed: that will be finished in a moment.
    void await_claimer() const {
        while (!finished()) sync::yield();
    }

    void leave();

    static constexpr std::uint32_t nobody = 0;
    static constexpr std::uint32_t watched = 1;  // nobody; and whoever takes it need not ring
    static constexpr std::uint32_t cancelled = 2;
    static constexpr std::uint32_t first_case = 3;

    const std::span<node<Item>> cases_;
    std::shared_ptr<alarm> bell_;  // taken by the claimer, if it rings
    const std::uint64_t token_ = 0;
    sync::atomic<std::uint32_t> taken_;  // by whoever is first: claimers, cancel()
    bool rings_ = false;                 // the claimer's

    // What the claimer writes and the one who waits looks at all the time, in a cache line of its
    // own: so that line changes hands once. All of it before `finished_`.
    alignas(cache_line) Item item_ = {};
    status result_ = status::waiting;
    sync::atomic<bool> finished_{false};
};

}  // namespace allcores::concurrency
