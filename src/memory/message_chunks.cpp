#include "memory/message_chunks.h"

#include <cstdlib>
#include <new>

#include "memory/slots.h"

namespace allcores::memory {
namespace {

constinit slots<most_pooled_chunks> pool;

}  // namespace

message_chunk* take_message_chunk(std::size_t bytes) {
    const bool usual = bytes <= usual_chunk_bytes;
    if (usual) {
        if (void* pooled = pool.take()) return static_cast<message_chunk*>(pooled);
        bytes = usual_chunk_bytes;
    }
    if (bytes > SIZE_MAX - sizeof(message_chunk)) throw std::bad_alloc();
    auto* made = static_cast<message_chunk*>(std::malloc(sizeof(message_chunk) + bytes));
    if (made == nullptr) throw std::bad_alloc();
    made->next = nullptr;
    made->capacity = bytes;
    return made;
}

void give_message_chunk(message_chunk* chunk) noexcept {
    chunk->next = nullptr;
    if (chunk->capacity == usual_chunk_bytes && pool.put(chunk)) return;
    std::free(chunk);
}

void give_message_chunks(message_chunk* first) noexcept {
    while (first != nullptr) {
        message_chunk* next = first->next;
        give_message_chunk(first);
        first = next;
    }
}

}  // namespace allcores::memory
