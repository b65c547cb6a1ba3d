// How many workers may wait for the rest of a body at a time, and who would like to be next. One
// worker for each core never does, or half of them where there are fewer, so that whoever sends
// slowly leaves the others their cores. Any thread.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>

namespace allcores::http {

struct connection;

class body_seats {
 public:
    explicit body_seats(unsigned cores) : cores_(cores) {}

    // A worker has begun to serve, or has ended.
    void add_worker() { workers_.fetch_add(1, std::memory_order_relaxed); }
    void remove_worker() { workers_.fetch_sub(1, std::memory_order_relaxed); }

    // Whether there are any at all, one is free, somebody waits for one.
    bool exist() const { return most() != 0; }
    bool has_free() const { return taken_.load(std::memory_order_seq_cst) < most(); }

    bool has_waiting() const { return waiting_.load(std::memory_order_seq_cst) != 0; }

    bool take() {
        std::uint32_t seen = taken_.load(std::memory_order_seq_cst);
        while (seen < most()) {
            if (taken_.compare_exchange_weak(seen, seen + 1, std::memory_order_seq_cst)) {
                return true;
            }
        }
        return false;
    }

    // True: somebody waits for it, and a worker should look who that is.
    [[nodiscard]] bool give_back() {
        taken_.fetch_sub(1, std::memory_order_seq_cst);
        return has_waiting();
    }

    // Remembers a connection; to be followed by another take(), for one that was given back
    // meanwhile.
    void wait(connection& who) {
        std::lock_guard lock(mutex_);
        queue_.push_back(&who);
        if (queue_.size() > longest_queue) queue_.pop_front();  // it has not waited so long
        waiting_.store(queue_.size(), std::memory_order_seq_cst);
    }

    // Who has waited longest; null: nobody. It may have gone on without a seat since then, or be
    // another client's.
    connection* next() {
        std::lock_guard lock(mutex_);
        if (queue_.empty()) return nullptr;
        connection* const first = queue_.front();
        queue_.pop_front();
        waiting_.store(queue_.size(), std::memory_order_seq_cst);
        return first;
    }

 private:
    std::uint32_t most() const {
        const std::uint32_t workers = workers_.load(std::memory_order_relaxed);
        return workers - std::min<std::uint32_t>(cores_, (workers + 1) / 2);
    }

    // More than can have come within the moment that they wait; where no seat is given back,
    // nobody takes them out.
    static constexpr std::size_t longest_queue = 4096;

    const std::uint32_t cores_;
    std::atomic<std::uint32_t> workers_{0};
    // Sequentially consistent: give_back() changes taken_ and looks at waiting_, who waits changes
    // waiting_ and looks at taken_, and one of them sees the other.
    std::atomic<std::uint32_t> taken_{0};
    std::atomic<std::size_t> waiting_{0};  // the queue's size
    std::mutex mutex_;                     // guards queue_
    std::deque<connection*> queue_;
};

}  // namespace allcores::http
