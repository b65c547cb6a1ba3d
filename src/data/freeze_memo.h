// From an object's address to what was made of it, for one freeze or thaw. Open addressing, no
// removal; one thread.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace allcores::data {

class address_map {
 public:
    // The value for an address, or null. The pointer is good until the next insert.
    std::uintptr_t* find(const void* address) {
        if (used_ == 0) return nullptr;
        for (std::size_t i = first(address);; i = (i + 1) & mask_) {
            if (entries_[i].address == address) return &entries_[i].value;
            if (entries_[i].address == nullptr) return nullptr;
        }
    }

    // The address must not be there yet.
    void insert(const void* address, std::uintptr_t value) {
        if ((used_ + 1) * 2 > entries_.size()) grow();
        put({address, value});
        used_++;
    }

 private:
    struct entry {
        const void* address = nullptr;
        std::uintptr_t value = 0;
    };

    std::size_t first(const void* address) const {
        return (reinterpret_cast<std::uintptr_t>(address) >> 4) * 0x9E3779B97F4A7C15 >> shift_;
    }

    void put(entry each) {
        std::size_t i = first(each.address);
        while (entries_[i].address != nullptr) i = (i + 1) & mask_;
        entries_[i] = each;
    }

    void grow() {
        std::vector<entry> old(entries_.empty() ? 256 : entries_.size() * 4);
        old.swap(entries_);
        mask_ = entries_.size() - 1;
        shift_ = 64 - std::countr_zero(entries_.size());
        for (const entry& each : old) {
            if (each.address != nullptr) put(each);
        }
    }

    std::vector<entry> entries_;
    std::size_t used_ = 0, mask_ = 0;
    int shift_ = 0;
};

}  // namespace allcores::data
