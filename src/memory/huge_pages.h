// Memory that is about to be filled, as huge pages where the kernel has some: a page fault costs
// about as much for 2 MiB as for 4 KiB, but for the zeroes (measured in a virtual machine: 64 MiB
// that are touched for the first time take 25 ms, and 3 ms so).
//
// Advice only: without huge pages (/sys/kernel/mm/transparent_hugepage/enabled is "never", or there
// is none free) all is as before. Any thread may call anything here.
#pragma once
#include <cstddef>

namespace allcores::memory {

inline constexpr std::size_t huge_page = std::size_t{2} << 20;

// The parts of the range that are whole huge pages. For what is filled from one end to the other:
// what is not would be resident all the same.
void prefer_huge_pages(void* start, std::size_t bytes) noexcept;

// A mapping of one huge page, aligned, for reading and writing; to be unmapped in any pieces. Null
// when there is no memory.
void* map_huge_page() noexcept;

}  // namespace allcores::memory
