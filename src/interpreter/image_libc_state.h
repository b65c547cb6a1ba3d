// State of the C library's that each owner of images has for itself (interpreter/image_libc.h).
#pragma once
#include <search.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <mutex>

#include "interpreter/image_getopt.h"

namespace allcores::interpreter {

// Used by the owner's images, under the same rules as the C library's state by a process: where
// that has a lock, this has too.
struct libc_state {
    option_parser options;
    char* rest_of_tokens = nullptr;  // strtok
    int sign_of_gamma = 0;           // signgam
    hsearch_data table = {};
    std::mutex mutex;  // guards what follows, the numbers at random
    random_data sequence = {};
    alignas(
        std::int32_t) char first_numbers[128] = {};  // of the size that the C library begins with
    drand48_data sequence_48 = {};
};

// Of a number that never had an owner, one that is nobody's.
libc_state& libc_state_of(std::size_t owner) noexcept;

}  // namespace allcores::interpreter
