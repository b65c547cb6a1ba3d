// A small pool of equal blocks of memory that any thread puts into and takes from. Without a lock:
// a thread that a fork leaves behind in the middle of it has one block, and no mutex.
//
// Any thread may call anything here.
#pragma once
#include <array>
#include <atomic>
#include <cstddef>

namespace allcores::memory {

template <std::size_t Count>
class slots {
 public:
    // A block, or null when there is none. Takes the one that was put last, more or less, since
    // that is the most likely to be in a cache.
    void* take() noexcept {
        for (std::size_t i = Count; i-- > 0;) {
            if (all_[i].load(std::memory_order_relaxed) == nullptr) continue;
            // Synchronizes with the release in put(): what was written in the block is seen.
            if (void* taken = all_[i].exchange(nullptr, std::memory_order_acquire)) return taken;
        }
        return nullptr;
    }

    // False when the pool is full: the block is still the caller's.
    bool put(void* block) noexcept {
        for (auto& each : all_) {
            void* empty = nullptr;
            if (each.load(std::memory_order_relaxed) == nullptr &&
                each.compare_exchange_strong(empty, block, std::memory_order_release,
                                             std::memory_order_relaxed)) {
                return true;
            }
        }
        return false;
    }

 private:
    // Written and read by all threads; null: empty.
    std::array<std::atomic<void*>, Count> all_ = {};
};

}  // namespace allcores::memory
