// Memory for one freeze: grows while it is open, read-only and permanent once closed. Given back
// whole if it is destroyed before that.
//
// One thread uses an arena at a time. Plain memory, no Python.
#pragma once
#include <cstddef>
#include <future>
#include <vector>

#include "memory/frozen_space.h"

namespace allcores::memory {

class arena {
 public:
    explicit arena(frozen_space& space = frozen_space::process()) : space_(space) {}
    ~arena();
    arena(const arena&) = delete;
    arena& operator=(const arena&) = delete;

    // Zero where nobody wrote, since addresses that are used again have fresh pages too. 16-byte
    // aligned. Throws std::bad_alloc.
    std::byte* allocate(std::size_t bytes) {
        bytes = (bytes + alignment - 1) & ~(alignment - 1);
        if (bytes > static_cast<std::size_t>(end_ - cursor_)) [[unlikely]]
            grow(bytes);
        std::byte* result = cursor_;
        cursor_ += bytes;
        return result;
    }

    // Gives the unused rest back and makes the memory read-only for good. Throws std::bad_alloc,
    // and then the arena is still open: destroying it gives everything back.
    void close();

    // Bytes of the pages it holds.
    std::size_t held_bytes() const;

 private:
    static constexpr std::size_t alignment = 16;

    void grow(std::size_t bytes);
    extent take(std::size_t bytes);
    void prepare(extent taken);
    void drop_next() noexcept;

    frozen_space& space_;
    std::byte* cursor_ = nullptr;
    std::byte* end_ = nullptr;
    std::vector<extent> extents_;
    std::size_t next_bytes_ = 0;
    std::future<extent> next_;  // what another thread prepares, or nothing that it returns
    bool closed_ = false;
};

}  // namespace allcores::memory
