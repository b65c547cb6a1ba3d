// One part of a shared table: a hash table of entries, with open addressing. Beside the pointers is
// a byte of each entry's hash, so that a search touches hardly any other entry than the one it
// finds. What is removed leaves no mark: the entries behind it move up.
//
// With `ordered`, entries are also in a list from the newest to the oldest, in the order of their
// use.
//
// The shard's owner (shared_table) locks the mutex around every call.
#pragma once
#include <bit>
#include <cstddef>
#include <mutex>
#include <vector>

#include "concurrency/table_entry.h"

namespace allcores::concurrency {

struct table_statistics {
    std::uint64_t hits = 0, misses = 0, evictions = 0, expirations = 0;
    std::size_t entries = 0, bytes = 0;
};

template <class Value>
class table_shard {
 public:
    using entry = table_entry<Value>;
    static constexpr std::size_t none = static_cast<std::size_t>(-1);

    table_shard() = default;
    table_shard(const table_shard&) = delete;
    table_shard& operator=(const table_shard&) = delete;
    ~table_shard() { clear(); }

    std::mutex mutex;  // guards all that follows
    table_statistics counted;
    entry* newest = nullptr;
    entry* oldest = nullptr;

    // Written with the lock, read without it by whoever wants to know about how many there are.
    std::size_t size() const { return size_.load(std::memory_order_relaxed); }
    std::size_t slots() const { return slots_.size(); }
    entry* at(std::size_t slot) const { return slots_[slot]; }

    std::size_t find(const table_key& key) const {
        if (slots_.empty()) return none;
        const std::uint8_t tag = tag_of(key.hash);
        for (std::size_t i = home(key.hash); tags_[i] != 0; i = next(i)) {
            if (tags_[i] == tag && slots_[i]->has(key)) return i;
        }
        return none;
    }

    // Room for one more. Throws std::bad_alloc.
    void reserve() {
        const std::size_t capacity = slots_.size();
        if ((size() + 1) * 4 <= capacity * 3) return;
        std::vector<entry*> slots(capacity == 0 ? 8 : capacity * 2, nullptr);
        std::vector<std::uint8_t> tags(slots.size(), 0);
        slots.swap(slots_);
        tags.swap(tags_);
        for (entry* each : slots) {
            if (each != nullptr) place(each);
        }
    }

    // A key that is not in, with room for it. Takes the reference.
    void insert(entry* one, bool ordered) {
        place(one);
        if (ordered) link(one);
        set_size(size() + 1);
        counted.bytes += one->bytes();
    }

    // Returns the entry that was there, with its reference.
    entry* exchange(std::size_t slot, entry* one, bool ordered) {
        entry* before = slots_[slot];
        if (ordered) {
            unlink(before);
            link(one);
        }
        slots_[slot] = one;
        counted.bytes += one->bytes();
        counted.bytes -= before->bytes();
        return before;
    }

    // The same without another one in its place.
    entry* remove(std::size_t slot, bool ordered) {
        entry* gone = slots_[slot];
        if (ordered) unlink(gone);
        for (std::size_t i = next(slot); tags_[i] != 0; i = next(i)) {
            // Whether the one in `i` may be as far forward as `slot`, seen from its home.
            const std::size_t wanted = home(slots_[i]->hash());
            if (((i - wanted) & mask()) < ((i - slot) & mask())) continue;
            slots_[slot] = slots_[i];
            tags_[slot] = tags_[i];
            slot = i;
        }
        slots_[slot] = nullptr;
        tags_[slot] = 0;
        set_size(size() - 1);
        counted.bytes -= gone->bytes();
        return gone;
    }

    std::size_t slot_of(const entry* one) const {
        std::size_t i = home(one->hash());
        while (slots_[i] != one) i = next(i);
        return i;
    }

    // Where an entry is, of a shard that has one: after the last that was found this way.
    std::size_t some_slot() {
        if (hand >= slots_.size()) hand = 0;
        while (slots_[hand] == nullptr) hand = next(hand);
        return hand;
    }

    // It is the newest now.
    void touch(entry* one) {
        if (newest == one) return;
        unlink(one);
        link(one);
    }

    void clear() noexcept {
        std::vector<entry*> slots;
        take_all(slots);
        for (entry* each : slots) {
            if (each != nullptr) each->drop();
        }
    }

    // Leaves it empty: all entries with their references, among null pointers.
    void take_all(std::vector<entry*>& taken) noexcept {
        taken.swap(slots_);
        slots_ = {};
        tags_ = {};
        newest = oldest = nullptr;
        set_size(0);
        counted.bytes = 0;
        hand = 0;
    }

    std::size_t hand = 0;  // the slot that is looked at next for what has expired

 private:
    // The tag and the home are of other bits than what chose the shard (the lowest).
    static std::uint8_t tag_of(std::uint64_t hash) {
        return static_cast<std::uint8_t>(hash >> 56 | 1);
    }
    std::size_t mask() const { return slots_.size() - 1; }
    std::size_t home(std::uint64_t hash) const {
        return static_cast<std::size_t>(hash >> 8) & mask();
    }
    std::size_t next(std::size_t slot) const { return (slot + 1) & mask(); }

    void place(entry* one) {
        std::size_t i = home(one->hash());
        while (tags_[i] != 0) i = next(i);
        slots_[i] = one;
        tags_[i] = tag_of(one->hash());
    }
    void set_size(std::size_t size) {
        size_.store(size, std::memory_order_relaxed);
        counted.entries = size;
    }

    void link(entry* one) {
        one->newer = nullptr;
        one->older = newest;
        (newest != nullptr ? newest->newer : oldest) = one;
        newest = one;
    }
    void unlink(entry* one) {
        (one->newer != nullptr ? one->newer->older : newest) = one->older;
        (one->older != nullptr ? one->older->newer : oldest) = one->newer;
    }

    std::vector<entry*> slots_;       // their number is a power of two, or 0
    std::vector<std::uint8_t> tags_;  // 0: empty
    std::atomic<std::size_t> size_{0};
};

}  // namespace allcores::concurrency
