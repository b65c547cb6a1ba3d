#include "memory/huge_pages.h"

#include <sys/mman.h>

#include <cstdint>

namespace allcores::memory {

void prefer_huge_pages(void* start, std::size_t bytes) noexcept {
    const auto first = reinterpret_cast<std::uintptr_t>(start);
    const std::size_t skipped = -first % huge_page;
    if (bytes < skipped + huge_page) return;
    const std::size_t whole = (bytes - skipped) / huge_page * huge_page;
    madvise(static_cast<char*>(start) + skipped, whole, MADV_HUGEPAGE);
}

void* map_huge_page() noexcept {
    void* made =
        mmap(nullptr, 2 * huge_page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (made == MAP_FAILED) return nullptr;
    auto* start = static_cast<char*>(made);
    const std::size_t skipped = -reinterpret_cast<std::uintptr_t>(start) % huge_page;
    if (skipped != 0) munmap(start, skipped);
    start += skipped;
    munmap(start + huge_page, huge_page - skipped);
    madvise(start, huge_page, MADV_HUGEPAGE);
    return start;
}

}  // namespace allcores::memory
