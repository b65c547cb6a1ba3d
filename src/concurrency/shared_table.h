// A hash table for all threads of the process: allcores.Dict. Keys are bytes, values plain memory.
//
// It is cut into shards by the hash, each with a mutex of its own that is held for some
// instructions: entries are made before it is taken and dropped after it was let go; nothing runs
// under it but what is in this file and table_shard.h. (What grows moves its pointers under it.)
//
// Bounded: when more than `most` entries are in, the least recently used one of the shard that got
// the new one goes. A small table has one shard, so there it is the least recently used of all.
//
// Expiring: an entry that is past its time is never found. It is removed when somebody comes across
// it: who looks for it, and every insertion, which looks at two more slots.
//
// Any thread, with any GIL or none. Waiting: made by a thread that is about to wait for a mutex,
// and destroyed after it has let go of it again; for who has to let go of something meanwhile.
#pragma once
#include <algorithm>
#include <array>
#include <chrono>
#include <optional>

#include "concurrency/table_shard.h"

namespace allcores::concurrency {

// Holds one mutex.
template <class Waiting>
class patient_lock {
 public:
    explicit patient_lock(std::mutex& mutex) : lock_(mutex, std::try_to_lock) {
        // Whoever has it is done soon, unless the thread was taken off its core.
        for (int i = 0; i < attempts && !lock_.owns_lock(); ++i) {
            pause();
            static_cast<void>(lock_.try_lock());
        }
        if (lock_.owns_lock()) return;
        waited_.emplace();
        lock_.lock();
    }

 private:
    static constexpr int attempts = 30;
    static void pause() {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        asm volatile("yield");
#endif
    }

    std::optional<Waiting> waited_;
    std::unique_lock<std::mutex> lock_;  // let go of first
};

template <class Value, class Waiting>
class shared_table {
 public:
    using entry = table_entry<Value>;
    using held = held_entry<Value>;
    static constexpr std::size_t unbounded = static_cast<std::size_t>(-1);
    static constexpr std::size_t most_shards = 64, entries_a_shard = 256;

    // `lifetime`: of entries, in ns; or `never`.
    explicit shared_table(std::size_t most = unbounded, std::int64_t lifetime = never)
        : most_(most),
          lifetime_(lifetime),
          shards_count_(most == unbounded
                            ? most_shards
                            : std::bit_floor(
                                  std::clamp(most / entries_a_shard, std::size_t{1}, most_shards))),
          shards_(std::make_unique<padded[]>(shards_count_)),
          expires_(lifetime != never) {}
    shared_table(const shared_table&) = delete;
    shared_table& operator=(const shared_table&) = delete;

    std::size_t most() const { return most_; }
    std::int64_t lifetime() const { return lifetime_; }

    // For set(), add(), replace(). `lifetime`: another than the table's. Throws std::bad_alloc.
    held make(const table_key& key, Value value, std::optional<std::int64_t> lifetime = {}) {
        const std::int64_t lives = lifetime.value_or(lifetime_);
        if (lives == never) return held::steal(entry::make(key, std::move(value), never));
        expires_.store(true, std::memory_order_relaxed);
        const std::int64_t born = now();
        return held::steal(
            entry::make(key, std::move(value), lives < never - born ? born + lives : never));
    }

    // What is there, or none; it counts as a use of it, and as a hit or miss.
    held get(const table_key& key) {
        dropped gone;
        shard& here = shard_of(key.hash);
        const patient_lock<Waiting> lock(here.mutex);
        const std::size_t slot = find(here, key, gone);
        if (slot == shard::none) {
            ++here.counted.misses;
            return {};
        }
        ++here.counted.hits;
        if (is_bounded()) here.touch(here.at(slot));
        return held::share(here.at(slot));
    }

    // The same without being a use, nor counted.
    held peek(const table_key& key) {
        dropped gone;
        shard& here = shard_of(key.hash);
        const patient_lock<Waiting> lock(here.mutex);
        const std::size_t slot = find(here, key, gone);
        return slot == shard::none ? held() : held::share(here.at(slot));
    }

    // Whatever was there. Throws std::bad_alloc.
    void set(held made) {
        change(std::move(made), [](shard&, std::size_t) { return true; });
    }

    // Only if nothing is there; else it returns that. Throws std::bad_alloc.
    held add(held made) {
        held found;
        change(std::move(made), [&](shard& here, std::size_t slot) {
            if (slot == shard::none) return true;
            found = held::share(here.at(slot));
            return false;
        });
        return found;
    }

    // Only if `seen` is still there, which has the same key; else false.
    bool replace(const held& seen, held made) {
        return change(std::move(made), [&](shard& here, std::size_t slot) {
            return slot != shard::none && here.at(slot) == seen.get();
        });
    }

    // What was there, or none.
    held remove(const table_key& key) {
        dropped gone;
        shard& here = shard_of(key.hash);
        const patient_lock<Waiting> lock(here.mutex);
        const std::size_t slot = find(here, key, gone);
        return slot == shard::none ? held() : held::steal(take(here, slot));
    }

    // Any entry; of a bounded table one that was not used for long.
    held remove_any() {
        // Not always from the first shard, so that several who do this are not in each other's way.
        const std::size_t first = turn_.fetch_add(1, std::memory_order_relaxed);
        for (std::size_t i = 0; i < shards_count_; ++i) {
            dropped gone;
            shard& here = shards_[(first + i) % shards_count_].one;
            const patient_lock<Waiting> lock(here.mutex);
            while (here.size() != 0) {
                const std::size_t slot =
                    is_bounded() ? here.slot_of(here.oldest) : here.some_slot();
                if (!is_past(here.at(slot))) return held::steal(take(here, slot));
                expire(here, slot, gone);
            }
        }
        return {};
    }

    // All that is there at one moment.
    std::vector<held> snapshot() {
        std::vector<held> found;
        found.reserve(size());
        const everything locked(*this);
        for (std::size_t i = 0; i < shards_count_; ++i) {
            const shard& here = shards_[i].one;
            for (std::size_t slot = 0; slot < here.slots(); ++slot) {
                entry* each = here.at(slot);
                if (each != nullptr && !is_past(each)) found.push_back(held::share(each));
            }
        }
        return found;
    }

    void clear() {
        std::array<std::vector<entry*>, most_shards> taken;
        {
            const everything locked(*this);
            for (std::size_t i = 0; i < shards_count_; ++i) shards_[i].one.take_all(taken[i]);
            total_.store(0, std::memory_order_relaxed);
        }
        for (const auto& each : taken) {
            for (entry* one : each) {
                if (one != nullptr) one->drop();
            }
        }
    }

    // What has expired and was not come across yet counts too.
    std::size_t size() const {
        std::size_t sum = 0;
        for (std::size_t i = 0; i < shards_count_; ++i) sum += shards_[i].one.size();
        return sum;
    }

    table_statistics statistics() {
        table_statistics sum;
        for (std::size_t i = 0; i < shards_count_; ++i) {
            shard& here = shards_[i].one;
            const patient_lock<Waiting> lock(here.mutex);
            sum.hits += here.counted.hits;
            sum.misses += here.counted.misses;
            sum.evictions += here.counted.evictions;
            sum.expirations += here.counted.expirations;
            sum.entries += here.counted.entries;
            sum.bytes += here.counted.bytes + here.slots() * (sizeof(entry*) + 1);
        }
        return sum;
    }

    // For tests: its clock goes forward.
    void advance(std::int64_t ns) { ahead_.fetch_add(ns, std::memory_order_relaxed); }

 private:
    using shard = table_shard<Value>;
    using dropped = dropped_entries<Value>;
    struct alignas(64) padded {
        shard one;
    };

    // All mutexes, always in the same order.
    class everything {
     public:
        explicit everything(shared_table& table) : locks_(table.shards_count_) {
            for (std::size_t i = 0; i < locks_.size(); ++i)
                locks_[i] = std::unique_lock(table.shards_[i].one.mutex);
        }

     private:
        const Waiting waited_;
        std::vector<std::unique_lock<std::mutex>> locks_;  // let go of first
    };

    bool is_bounded() const { return most_ != unbounded; }
    shard& shard_of(std::uint64_t hash) { return shards_[hash & (shards_count_ - 1)].one; }

    std::int64_t now() const {
        if (!expires_.load(std::memory_order_relaxed)) return 0;
        const auto since = std::chrono::steady_clock::now().time_since_epoch();
        return std::chrono::nanoseconds(since).count() + ahead_.load(std::memory_order_relaxed);
    }
    bool is_past(const entry* one) const {
        return one->expires() != never && one->expires() <= now();
    }

    // All that follows: with the shard's lock.

    std::size_t find(shard& here, const table_key& key, dropped& gone) {
        const std::size_t slot = here.find(key);
        if (slot == shard::none || !is_past(here.at(slot))) return slot;
        expire(here, slot, gone);
        return shard::none;
    }

    entry* take(shard& here, std::size_t slot) {
        if (is_bounded()) total_.fetch_sub(1, std::memory_order_relaxed);
        return here.remove(slot, is_bounded());
    }
    void expire(shard& here, std::size_t slot, dropped& gone) {
        gone.add(take(here, slot));
        ++here.counted.expirations;
    }
    void evict(shard& here, dropped& gone) {
        gone.add(take(here, here.slot_of(here.oldest)));
        ++here.counted.evictions;
    }

    // An insertion looks at two slots, so what nobody asks for any more goes as fast as new ones
    // come.
    void sweep(shard& here, dropped& gone) {
        if (!expires_.load(std::memory_order_relaxed)) return;
        for (int i = 0; i < 2; ++i) {
            if (here.hand >= here.slots()) here.hand = 0;
            const entry* each = here.slots() == 0 ? nullptr : here.at(here.hand);
            // After a removal another one may be in the slot.
            if (each != nullptr && is_past(each)) {
                expire(here, here.hand, gone);
            } else {
                ++here.hand;
            }
        }
    }

    // Puts an entry in if `may(shard, slot)` says so.
    template <class May>
    bool change(held made, May&& may) {
        dropped gone;
        shard& here = shard_of(made->hash());
        bool others = false;
        {
            const patient_lock<Waiting> lock(here.mutex);
            const table_key key(made->key(), made->hash());
            std::size_t slot = find(here, key, gone);
            if (!may(here, slot)) return false;
            if (slot != shard::none) {
                gone.add(here.exchange(slot, made.release(), is_bounded()));
            } else {
                here.reserve();
                here.insert(made.release(), is_bounded());
                if (is_bounded() && total_.fetch_add(1, std::memory_order_relaxed) >= most_) {
                    others = here.size() == 1;
                    if (!others) evict(here, gone);
                }
            }
            sweep(here, gone);
        }
        if (others) evict_elsewhere(here);
        return true;
    }

    // The new one is the only one of its shard.
    void evict_elsewhere(const shard& own) {
        for (std::size_t i = 0; i < shards_count_; ++i) {
            dropped gone;
            shard& here = shards_[i].one;
            if (&here == &own) continue;
            const patient_lock<Waiting> lock(here.mutex);
            if (total_.load(std::memory_order_relaxed) <= most_) return;
            if (here.size() != 0) return evict(here, gone);
        }
    }

    const std::size_t most_;
    const std::int64_t lifetime_;
    const std::size_t shards_count_;
    const std::unique_ptr<padded[]> shards_;
    std::atomic<std::size_t> total_{0};   // of a bounded table: its entries
    std::atomic<std::size_t> turn_{0};    // remove_any's
    std::atomic<std::int64_t> ahead_{0};  // of the clock
    // Whether any entry ever had an end: written before that entry is in, so who finds it knows.
    std::atomic<bool> expires_;
};

}  // namespace allcores::concurrency
