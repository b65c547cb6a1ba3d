// What the tests of shared tables have in common: a value whose lives are counted, and a table of
// them.
#pragma once
#include <gtest/gtest.h>

#include <atomic>
#include <string>

#include "concurrency/shared_table.h"

namespace allcores::concurrency {

struct counted_value {
    static inline std::atomic<int> alive = 0;

    explicit counted_value(int what) : number(what) { ++alive; }
    counted_value(counted_value&& other) noexcept : number(other.number) { ++alive; }
    counted_value(const counted_value&) = delete;
    counted_value& operator=(const counted_value&) = delete;
    ~counted_value() { --alive; }

    std::size_t bytes() const { return 100; }

    const int number;
};

struct counted_wait {
    static inline std::atomic<int> waits = 0;
    counted_wait() { ++waits; }
};

using table = shared_table<counted_value, counted_wait>;

inline std::int64_t seconds(std::int64_t number) {
    return number * 1'000'000'000;
}

inline void put(table& where, const std::string& key, int number,
                std::optional<std::int64_t> lifetime = {}) {
    where.set(where.make(table_key(key), counted_value(number), lifetime));
}

// The number, or -1.
inline int got(table& where, const std::string& key) {
    const table::held found = where.get(table_key(key));
    return found ? found->value().number : -1;
}
inline int peeked(table& where, const std::string& key) {
    const table::held found = where.peek(table_key(key));
    return found ? found->value().number : -1;
}

class Table : public testing::Test {
 protected:
    ~Table() override { EXPECT_EQ(counted_value::alive, 0); }
};

}  // namespace allcores::concurrency
