// The plain memory that a message is written to: pieces of one size, so that nothing is copied when
// a message grows, and so that pieces can be used again. A process-wide pool keeps some of those
// that are given back: fresh memory costs a page fault for every 4 KiB, which is more than writing
// it.
//
// Plain memory, no Python. Any thread may call anything here; a list of chunks has one owner.
#pragma once
#include <cstddef>

namespace allcores::memory {

struct message_chunk {
    message_chunk* next;
    std::size_t capacity;  // of `bytes`

    char* bytes() { return reinterpret_cast<char*>(this + 1); }
};

// What fits into a chunk of the usual size.
inline constexpr std::size_t usual_chunk_bytes = (std::size_t{256} << 10) - sizeof(message_chunk);
// How many chunks the pool keeps: 8 MiB.
inline constexpr std::size_t most_pooled_chunks = 32;

// A chunk with room for at least so many bytes. Throws std::bad_alloc.
message_chunk* take_message_chunk(std::size_t bytes);

void give_message_chunk(message_chunk* chunk) noexcept;

// The chunk and all that follow it; null is fine.
void give_message_chunks(message_chunk* first) noexcept;

}  // namespace allcores::memory
