// The bytes of a message while it is written: room() gives space for one value's own bytes in a
// row; where the chunk is full, a tag says so and the next chunk goes on. One thread.
#pragma once
#include <cstring>
#include <type_traits>

#include "data/message_body.h"

namespace allcores::data {

class message_writer {
 public:
    message_writer() = default;
    message_writer(const message_writer&) = delete;
    message_writer& operator=(const message_writer&) = delete;
    ~message_writer() { memory::give_message_chunks(first_); }

    // Space for a value's tag and what belongs to it, to be filled at once.
    char* room(std::size_t bytes) {
        if (static_cast<std::size_t>(end_ - next_) < bytes) [[unlikely]]
            more(bytes);
        char* here = next_;
        next_ += bytes;
        return here;
    }

    // The same for who keeps the place in a register while values are written in a row: taken by
    // place(), each time with ensure(), given back by set_place() before anything else is written.
    char* place() const { return next_; }
    void set_place(char* at) { next_ = at; }
    char* ensure(char* at, std::size_t bytes) {
        if (static_cast<std::size_t>(end_ - at) >= bytes) [[likely]]
            return at;
        next_ = at;
        more(bytes);
        return next_;
    }

    // The last bytes of what room() just gave.
    void give_back(std::size_t bytes) { next_ -= bytes; }

    void put(tag what) { *room(1) = static_cast<char>(what); }

    template <class... Parts>
    void put(tag what, Parts... parts) {
        char* at = room(1 + (sizeof(Parts) + ...));
        *at++ = static_cast<char>(what);
        ((at = append(at, parts)), ...);
    }

    template <class Part>
    static char* append(char* at, Part part) {
        static_assert(std::is_trivially_copyable_v<Part>);
        std::memcpy(at, &part, sizeof(Part));
        return at + sizeof(Part);
    }

    std::size_t bytes() const {
        return full_bytes_ +
               (last_ == nullptr ? 0 : static_cast<std::size_t>(next_ - last_->bytes()));
    }

    // What was written, when it is in one chunk; null when it is in several.
    const char* only_chunk() const { return first_ == last_ ? first_->bytes() : nullptr; }

    // Begins anew in the chunk that is there.
    void rewind() {
        if (first_ == nullptr) return;
        memory::give_message_chunks(first_->next);
        first_->next = nullptr;
        if (first_->capacity != memory::usual_chunk_bytes) {
            memory::give_message_chunk(first_);
            first_ = last_ = nullptr;
            next_ = end_ = nullptr;
        } else {
            begin(first_);
        }
        full_bytes_ = 0;
    }

    memory::message_chunk* take() {
        memory::message_chunk* taken = first_;
        first_ = last_ = nullptr;
        next_ = end_ = nullptr;
        full_bytes_ = 0;
        return taken;
    }

 private:
    void begin(memory::message_chunk* chunk) {
        last_ = chunk;
        next_ = chunk->bytes();
        end_ = next_ + chunk->capacity - 1;  // the last byte is for next_chunk
    }

    [[gnu::noinline]] void more(std::size_t bytes) {
        memory::message_chunk* chunk = memory::take_message_chunk(bytes + 1);
        if (last_ == nullptr) {
            first_ = chunk;
        } else {
            *next_ = static_cast<char>(tag::next_chunk);
            full_bytes_ += static_cast<std::size_t>(next_ - last_->bytes());
            last_->next = chunk;
        }
        begin(chunk);
    }

    memory::message_chunk* first_ = nullptr;
    memory::message_chunk* last_ = nullptr;
    char* next_ = nullptr;
    char* end_ = nullptr;
    std::size_t full_bytes_ = 0;
};

}  // namespace allcores::data
