// What is inside a channel, and in which order it comes out: first in first out, the last first, or
// by a comparison, equal ones in the order they were put in.
//
// Guarded by its channel's lock, but for how(), which is constant.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>

namespace allcores::concurrency {

enum class order : std::uint8_t { fifo, lifo, priority };

template <class Item>
class channel_items {
    struct entry {
        Item item;
        std::uint64_t number;  // of its push, among equals of a priority
    };

 public:
    // For order::priority: whether an item comes out before another one.
    using comparison = bool (*)(const Item& one, const Item& other);
    using content = std::deque<entry>;

    channel_items(order how, comparison before) : how_(how), before_(before) {}

    order how() const { return how_; }
    std::size_t size() const { return items_.size(); }
    bool empty() const { return items_.empty(); }

    // Room for an item that comes as number `number` of all, which may fail (bad_alloc); then the
    // item, or not.
    void make_room(std::uint64_t number) { items_.push_back({Item(), number}); }
    void fill_room(Item&& item) noexcept {
        items_.back().item = std::move(item);
        settle_last();
    }
    void give_up_room() noexcept { items_.pop_back(); }

    // Comes out next.
    void put_back(Item item) {
        if (how_ == order::fifo) {
            items_.push_front({std::move(item), 0});
        } else {
            items_.push_back({std::move(item), 0});
            settle_last();
        }
    }

    void take_first(Item& item) {
        if (how_ == order::fifo) {
            item = std::move(items_.front().item);
            items_.pop_front();
            return;
        }
        if (how_ == order::priority) std::pop_heap(items_.begin(), items_.end(), by_order());
        item = std::move(items_.back().item);
        items_.pop_back();
    }

    void take_all(content& empty) { empty.swap(items_); }

 private:
    auto by_order() const {
        return [this](const entry& one, const entry& other) {
            if (before_(other.item, one.item)) return true;
            return !before_(one.item, other.item) && other.number < one.number;
        };
    }

    void settle_last() {
        if (how_ == order::priority) std::push_heap(items_.begin(), items_.end(), by_order());
    }

    const order how_;
    const comparison before_;
    content items_;  // order::priority: a heap
};

}  // namespace allcores::concurrency
