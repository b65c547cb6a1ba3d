// All connections of one server. Their memory stays until the server goes, so that an event that is
// reported late finds a connection, if another one; and they lie in chunks, with the deadlines
// apart and dense, so that looking through the deadlines of ten thousand idle ones reads 80 KB.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "http/connection.h"

namespace allcores::http {

class connection_pool {
 public:
    explicit connection_pool(std::uint32_t most);
    ~connection_pool();
    connection_pool(const connection_pool&) = delete;

    // A connection as new, busy; the caller owns it. Null when `most` are taken. Any thread.
    connection* take();

    // Gives it back: its owner, after the socket was closed. True when it was the last one open.
    bool give_back(connection& connection);

    // Open now. Any thread.
    std::uint32_t open() const { return open_.load(std::memory_order_seq_cst); }

    // Places 0 to size() - 1 have a connection, free or not. Any thread; grows only.
    std::uint32_t size() const { return size_.load(std::memory_order_acquire); }
    // The same, ordered with take(): every connection taken before is seen by the caller as
    // claimed, and whoever takes one later sees what the caller had seen before (that the server is
    // draining).
    std::uint32_t size_after_all_taken() {
        std::lock_guard lock(mutex_);
        return size();
    }
    connection& at(std::uint32_t index);

    // When a connection times out, on the server's clock in ms; 0: never. Written by the
    // connection's owner, read by whoever looks for those that are due; a hint, checked against the
    // connection's own copy by who then owns it.
    void set_deadline(const connection& connection, std::uint64_t deadline);
    std::uint64_t deadline(std::uint32_t index) const;

 private:
    static constexpr std::uint32_t chunk_size = 64;
    struct chunk;

    chunk& chunk_of(std::uint32_t index) const {
        return *chunks_[index / chunk_size].load(std::memory_order_acquire);
    }

    const std::uint32_t most_;
    // Filled from the front under mutex_, read by any thread below size_.
    std::unique_ptr<std::atomic<chunk*>[]> chunks_;
    std::atomic<std::uint32_t> size_{
        0};  // written under mutex_; releases chunks_ to size()'s callers
    std::atomic<std::uint32_t> open_{0};
    std::mutex mutex_;
    std::vector<connection*> free_;  // guarded by mutex_
};

}  // namespace allcores::http
