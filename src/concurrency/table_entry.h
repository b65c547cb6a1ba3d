// What a shared table holds: a key and its value in one block of memory, which counts who has it.
//
// An entry never changes once it is in a table: a new value is a new entry. So a reader takes the
// entry out under a lock (one more reference) and looks at it without one; and which entry it saw
// says whether anything has changed since (shared_table::replace).
//
// Any thread, with any GIL or none. Value: plain memory that any thread may drop.
#pragma once
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <string_view>
#include <utility>

#include "concurrency/key_hash.h"

namespace allcores::concurrency {

// Canonical: keys are equal when their bytes are.
struct table_key {
    std::string_view bytes;
    std::uint64_t hash;

    explicit table_key(std::string_view key) : bytes(key), hash(key_hash(key)) {}
    table_key(std::string_view key, std::uint64_t known) : bytes(key), hash(known) {}
};

inline constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();

template <class Value>
class table_entry {
 public:
    // One reference. Throws std::bad_alloc.
    static table_entry* make(const table_key& key, Value value, std::int64_t expires) {
        void* memory = std::malloc(sizeof(table_entry) + key.bytes.size());
        if (memory == nullptr) throw std::bad_alloc();
        auto* made = new (memory) table_entry(key, std::move(value), expires);
        std::memcpy(static_cast<void*>(made + 1), key.bytes.data(), key.bytes.size());
        return made;
    }
    table_entry(const table_entry&) = delete;
    table_entry& operator=(const table_entry&) = delete;

    std::string_view key() const { return {reinterpret_cast<const char*>(this + 1), key_bytes_}; }
    std::uint64_t hash() const { return hash_; }
    const Value& value() const { return value_; }
    std::int64_t expires() const { return expires_; }  // a moment in ns, or `never`
    bool has(const table_key& key) const { return hash_ == key.hash && this->key() == key.bytes; }
    // Of memory, about.
    std::size_t bytes() const { return sizeof(table_entry) + key_bytes_ + value_.bytes(); }

    void keep() { references_.fetch_add(1, std::memory_order_relaxed); }
    void drop() {
        // The last one sees what the others did (acquire), they have it done before (release).
        if (references_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
        this->~table_entry();
        std::free(this);
    }

    // Of the table, with the lock of the entry's shard; of whoever took it out of the table.
    table_entry* newer = nullptr;
    table_entry* older = nullptr;

 private:
    table_entry(const table_key& key, Value value, std::int64_t expires)
        : key_bytes_(static_cast<std::uint32_t>(key.bytes.size())),
          hash_(key.hash),
          expires_(expires),
          value_(std::move(value)) {}
    ~table_entry() = default;

    std::atomic<std::uint32_t> references_{1};
    const std::uint32_t key_bytes_;
    const std::uint64_t hash_;
    const std::int64_t expires_;
    const Value value_;
};

// A reference to an entry, or none.
template <class Value>
class held_entry {
 public:
    using entry = table_entry<Value>;

    held_entry() = default;
    static held_entry steal(entry* one) {
        held_entry made;
        made.entry_ = one;
        return made;
    }
    static held_entry share(entry* one) {
        one->keep();
        return steal(one);
    }
    held_entry(held_entry&& other) noexcept : entry_(std::exchange(other.entry_, nullptr)) {}
    held_entry& operator=(held_entry&& other) noexcept {
        std::swap(entry_, other.entry_);
        return *this;
    }
    held_entry(const held_entry&) = delete;
    held_entry& operator=(const held_entry&) = delete;
    ~held_entry() {
        if (entry_ != nullptr) entry_->drop();
    }

    entry* get() const { return entry_; }
    entry* release() { return std::exchange(entry_, nullptr); }
    const entry* operator->() const { return entry_; }
    explicit operator bool() const { return entry_ != nullptr; }

 private:
    entry* entry_ = nullptr;
};

// Entries that have been taken out under a lock, to be dropped after it.
template <class Value>
class dropped_entries {
 public:
    dropped_entries() = default;
    dropped_entries(const dropped_entries&) = delete;
    dropped_entries& operator=(const dropped_entries&) = delete;
    ~dropped_entries() {
        while (first_ != nullptr) {
            table_entry<Value>* next = first_->older;
            first_->drop();
            first_ = next;
        }
    }

    void add(table_entry<Value>* one) {
        one->older = first_;
        first_ = one;
    }

 private:
    table_entry<Value>* first_ = nullptr;
};

}  // namespace allcores::concurrency
