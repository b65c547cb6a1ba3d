// From an object's address to its number in the message, while one message is encoded. Open
// addressing; used again for the next message without clearing: an entry counts only if it has the
// current generation. One thread.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace allcores::data {

class message_memo {
 public:
    // The object's number, or -1 when it is new: then it has the next one now.
    std::int64_t number_of(const void* address) {
        if ((used_ + 1) * 2 > entries_.size()) grow();
        for (std::size_t i = first(address);; i = (i + 1) & mask_) {
            entry& here = entries_[i];
            if (here.generation != generation_) {
                here = {address, generation_, used_++};
                return -1;
            }
            if (here.address == address) return here.number;
        }
    }

    // The number of what must not be met again.
    static constexpr std::uint32_t once_only = UINT32_MAX;

    // To an object that has a number, or to none.
    void allow_once(const void* address) {
        if (entries_.empty()) return;
        for (std::size_t i = first(address);; i = (i + 1) & mask_) {
            entry& here = entries_[i];
            if (here.generation != generation_) return;
            if (here.address == address) return void(here.number = once_only);
        }
    }

    bool has(const void* address) const {
        if (entries_.empty()) return false;
        for (std::size_t i = first(address);; i = (i + 1) & mask_) {
            const entry& here = entries_[i];
            if (here.generation != generation_) return false;
            if (here.address == address) return true;
        }
    }

    std::uint32_t size() const { return used_; }

    // Forgets all; memory above a bound is given back.
    void clear() {
        used_ = 0;
        if (++generation_ == 0 || entries_.size() > most_kept) {
            entries_ = {};
            mask_ = 0;
            generation_ = 1;
        }
    }

 private:
    static constexpr std::size_t most_kept = std::size_t{1} << 14;

    struct entry {
        const void* address = nullptr;
        std::uint32_t generation = 0;
        std::uint32_t number = 0;
    };

    std::size_t first(const void* address) const {
        return (reinterpret_cast<std::uintptr_t>(address) >> 4) * 0x9E3779B97F4A7C15 >> shift_;
    }

    void grow() {
        std::vector<entry> old(entries_.empty() ? 256 : entries_.size() * 4);
        old.swap(entries_);
        mask_ = entries_.size() - 1;
        shift_ = 64 - std::countr_zero(entries_.size());
        for (const entry& each : old) {
            if (each.generation != generation_) continue;
            std::size_t i = first(each.address);
            while (entries_[i].generation == generation_) i = (i + 1) & mask_;
            entries_[i] = each;
        }
    }

    std::vector<entry> entries_;
    std::size_t mask_ = 0;
    int shift_ = 0;
    std::uint32_t generation_ = 1;
    std::uint32_t used_ = 0;
};

}  // namespace allcores::data
