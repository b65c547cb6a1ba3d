// Whether a thread that nobody has counted is in the middle of an image's code.
//
// Counting (interpreter/image_threads.h) sees what images ask for. This is the net below it: a
// thread may have been made in a way that nobody thought of. A thread that sleeps in the system has
// its callers on its stack, so what is there is looked through for addresses in the images' code
// that come right after a call. An old one may be left there; then the images stay, which does no
// harm. What a thread that runs at this moment has on its stack can't be seen.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <span>
#include <utility>

namespace allcores::interpreter {

// Whether the stack of a sleeping thread of this process, but for those of `known`, leads back to
// code in one of the ranges (start and end), which can be read. Detached.
bool is_on_a_stack(std::span<const std::pair<std::uintptr_t, std::uintptr_t>> code,
                   std::span<const pid_t> known) noexcept;

// Gives back what this thread's stack has below its caller, so that a thread that gets the same
// stack later does not find old addresses in it. To be called before a thread ends that was in an
// image.
void clear_stack() noexcept;

}  // namespace allcores::interpreter
