// What code in an image is told when it asks how many processors there are: its interpreter's
// share.
//
// Libraries with a pool of threads make it as large as the machine. Each interpreter has its own,
// so all of them together would have the square of that. An interpreter's share is what
// interpreter/image_pools.h says; a library that is told to use another number, by its own setting,
// does not ask.
//
// The truth stays for who asks about a thread or a process by its number, as psutil does, and, for
// the number of all processors of the machine, for who knows processors by their numbers. A mask of
// processors that was cut down is whole again when it is given back.
//
// Callable from any thread, with or without a GIL.
#pragma once
#include <array>
#include <string_view>

namespace allcores::interpreter {

// Whoever imports one of these may have a table with an entry for each processor.
inline constexpr std::array processor_number_functions = {"sched_getcpu", "getcpu",
                                                          "__rseq_offset"};

// What an image should call instead of the function of that name; null: the same.
void* processors_replacement(std::string_view name, bool knows_numbers) noexcept;

}  // namespace allcores::interpreter
