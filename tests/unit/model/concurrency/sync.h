// In the place of src/concurrency/sync.h, for the tests under a scheduler (tests/unit/model): the
// same names, and at each operation the scheduler decides who goes on. Memory orders are ignored:
// see scheduler.h.
#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <typeinfo>
#include <utility>

#include "scheduler.h"

namespace allcores::concurrency::sync {

using time_point = std::chrono::steady_clock::time_point;

namespace operation = ::model::operation;

// Says when somebody comes to what is no more.
class lifetime {
 public:
    lifetime() = default;
    lifetime(const lifetime&) = delete;
    lifetime& operator=(const lifetime&) = delete;
    ~lifetime() { mark_ = over; }
    void look() const {
        if (mark_ != alive) operation::fail("something was used after its end");
    }

 private:
    static constexpr std::uint32_t alive = 0xA11CE;
    static constexpr std::uint32_t over = 0xDEAD;
    volatile std::uint32_t mark_ = alive;
};

template <class Value>
class atomic {
 public:
    explicit(false) atomic(Value value) : value_(value) {}

    Value load(std::memory_order = std::memory_order_seq_cst) const {
        operation::before("load", this);
        return seen(value_);
    }
    void store(Value value, std::memory_order = std::memory_order_seq_cst) {
        operation::before("store", this);
        lifetime_.look();
        value_ = seen(value);
    }
    Value exchange(Value value, std::memory_order = std::memory_order_seq_cst) {
        operation::before("exchange", this);
        return seen(std::exchange(value_, value));
    }
    bool compare_exchange_strong(Value& expected, Value wanted,
                                 std::memory_order = std::memory_order_seq_cst) {
        operation::before("compare_exchange", this);
        const Value found = seen(value_);
        if (found != expected) {
            expected = found;
            return false;
        }
        if (operation::seeded().claims_in_two_steps) operation::before("its second half", this);
        value_ = wanted;
        return true;
    }

    bool is(Value value) const { return value_ == value; }

 private:
    Value seen(Value value) const {
        lifetime_.look();
        operation::saw(static_cast<std::uint64_t>(value));
        return value;
    }

    Value value_;
    lifetime lifetime_;
};

class mutex {
 public:
    void lock() {
        operation::before("lock", this);
        lifetime_.look();
        if (!operation::seeded().locks_let_everybody_in) operation::wait_for(&is_free_);
        lifetime_.look();
        is_free_ = false;
    }
    void unlock() {
        lifetime_.look();
        is_free_ = true;
    }

 private:
    bool is_free_ = true;
    lifetime lifetime_;
};

inline time_point now() noexcept {
    return time_point(std::chrono::microseconds(operation::now()));
}

inline void yield() noexcept {
    operation::yield();
}

inline void relax() noexcept {}

inline void fetch_to_write(const void*) noexcept {}

struct hint {
    void note(const void*) noexcept {}
    bool fetch() const noexcept { return false; }
};

inline bool is_parallel() noexcept {
    return operation::spins();
}

enum class sleep_end : std::uint8_t { woken, signalled, timed_out };

inline sleep_end sleep(atomic<std::uint32_t>& word, std::uint32_t value,
                       time_point until) noexcept {
    operation::before("sleep", &word);
    if (!word.is(value) && !operation::seeded().sleeps_without_looking) return sleep_end::woken;
    return operation::sleep(&word, until != time_point::max()) ? sleep_end::woken
                                                               : sleep_end::timed_out;
}

inline void wake(atomic<std::uint32_t>& word) noexcept {
    operation::before("wake", &word);
    operation::wake(&word);
}

template <class Made>
const std::shared_ptr<Made>& own() {
    std::shared_ptr<void>& made = operation::own(typeid(Made));
    if (made == nullptr) made = std::make_shared<std::shared_ptr<Made>>(std::make_shared<Made>());
    return *static_cast<std::shared_ptr<Made>*>(made.get());
}

inline std::uint32_t random_below(std::size_t limit) noexcept {
    return static_cast<std::uint32_t>(operation::choose(limit));
}

}  // namespace allcores::concurrency::sync
