// Standard output and error of all workers: what one write is given comes out in one piece, not
// mixed with another's.
#pragma once
#include <cstddef>

namespace allcores::interpreter {

// Writes all of it, under one lock for the process. Detached: it may block as long as the reader
// likes. Returns 0 or the errno of the failure.
[[nodiscard]] int write_whole(int descriptor, const char* bytes, std::size_t size);

}  // namespace allcores::interpreter
