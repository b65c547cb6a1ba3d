#include "http/connection_pool.h"

#include <cstddef>
#include <new>

namespace allcores::http {

struct connection_pool::chunk {
    explicit chunk(std::uint32_t first) {
        for (std::uint32_t i = 0; i < chunk_size; ++i) {
            new (place(i)) connection(first + i);
        }
    }
    ~chunk() {
        for (std::uint32_t i = 0; i < chunk_size; ++i) at(i).~connection();
    }

    void* place(std::uint32_t i) { return memory + i * sizeof(aligned); }
    connection& at(std::uint32_t i) { return *std::launder(static_cast<connection*>(place(i))); }

    // Two workers that serve neighbours shall not share a line.
    struct alignas(64) aligned {
        std::byte bytes[sizeof(connection)];
    };
    std::atomic<std::uint64_t> deadlines[chunk_size]{};
    alignas(64) std::byte memory[chunk_size * sizeof(aligned)];
};

connection_pool::connection_pool(std::uint32_t most)
    : most_(most),
      chunks_(std::make_unique<std::atomic<chunk*>[]>((most + chunk_size - 1) / chunk_size)) {}

connection_pool::~connection_pool() {
    for (std::uint32_t i = 0; i < size(); i += chunk_size) {
        delete chunks_[i / chunk_size].load(std::memory_order_relaxed);
    }
}

connection* connection_pool::take() {
    std::lock_guard lock(mutex_);
    if (open_.load(std::memory_order_relaxed) >= most_) return nullptr;
    if (free_.empty()) {
        std::uint32_t first = size_.load(std::memory_order_relaxed);
        auto* made = new chunk(first);
        chunks_[first / chunk_size].store(made, std::memory_order_release);
        for (std::uint32_t i = chunk_size; i-- > 0;) free_.push_back(&made->at(i));
        size_.store(first + chunk_size, std::memory_order_release);
    }
    connection* taken = free_.back();
    free_.pop_back();
    open_.fetch_add(1, std::memory_order_seq_cst);
    taken->owner.claim();
    return taken;
}

bool connection_pool::give_back(http::connection& connection) {
    // As new, but for its place and its state word.
    connection.socket.reset();
    connection.message = message_state();
    connection.input = byte_buffer();
    connection.unread = 0;
    connection.output.reset();
    connection.spool.reset();
    connection.exchange.reset();
    connection.waits_for = http::connection::waiting::nothing;
    connection.deadline = connection.discarded = 0;
    connection.body_since = connection.body_bytes = connection.held_back_since = 0;
    connection.watches_output = connection.closing = false;
    connection.lingers = connection.is_lingering = false;
    connection.is_new = true;
    connection.output_limit = net::most_in_kernel;
    set_deadline(connection, 0);
    std::lock_guard lock(mutex_);
    connection.owner.retire();
    free_.push_back(&connection);
    return open_.fetch_sub(1, std::memory_order_seq_cst) == 1;
}

connection& connection_pool::at(std::uint32_t index) {
    return chunk_of(index).at(index % chunk_size);
}

void connection_pool::set_deadline(const connection& connection, std::uint64_t deadline) {
    chunk_of(connection.index)
        .deadlines[connection.index % chunk_size]
        .store(deadline, std::memory_order_relaxed);
}

std::uint64_t connection_pool::deadline(std::uint32_t index) const {
    return chunk_of(index).deadlines[index % chunk_size].load(std::memory_order_relaxed);
}

}  // namespace allcores::http
