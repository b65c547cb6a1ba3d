// Which threads of this process sleep until another one wakes them: whether, if all do, nothing
// will ever happen again.
//
// By what the kernel says of each (/proc/self/task): it is in the wait of a futex of this process
// alone, without a time limit. A thread in anything else (epoll, read, a sleep, a futex with a time
// limit, as the wait for a GIL is, or running) may still do something. Any thread, without a GIL:
// it reads files.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace allcores::concurrency {

// A sleeping thread, and how often it has stopped running so far: unchanged, it still sleeps the
// same sleep.
struct sleeper {
    pid_t thread;
    std::uint64_t switches;
    bool operator==(const sleeper&) const = default;
};

// All threads but those of `known`, in order; or nothing, when one of them does not sleep like
// that, or the kernel does not say. Throws bad_alloc.
std::optional<std::vector<sleeper>> all_asleep(std::span<const pid_t> known);

}  // namespace allcores::concurrency
