// Extensions that were built for the stable ABI of a CPython before 3.12 (abi3 wheels of cp311 and
// older) count references to immortal objects too: they write into an object's first word. CPython
// allows for that: such an object's count is far from both of its limits, and its place writable.
// Frozen objects are in read-only pages. So the first such write into an extent makes it writable,
// and the extension goes on; any other write ends the process as before.
//
// It is told by the place: what is written there is a count, so the word is that of an immortal
// object now.
#pragma once
#include <cstdint>

namespace allcores::memory {

// From now on, for frozen_space::process(). `word` is the first one of a frozen object. Installs a
// handler of SIGSEGV, in front of the one that is there, whenever another has come in front of it:
// to be called before frozen objects are given to anybody, each time. Any thread.
void let_counts_be_written(std::uint64_t word) noexcept;

}  // namespace allcores::memory
