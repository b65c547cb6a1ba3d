// What an image asks to be called when a thread ends: destructors of C++'s thread_local objects and
// of pthread's keys.
//
// Threads come and go on their own: the one that an interpreter lived on, those that visited it and
// the main one end when the interpreter, whose objects these destructors would let go of, is gone.
// Asking for its GIL they would hang, and with them the end of the process or whoever joins the
// thread. So they are called as long as their owner's interpreter lives, which does not end
// meanwhile, and are forgotten after that.
//
// An image's keys are numbers of our own: the process has 1024 keys, and images keep theirs for
// good (pandas makes 5, in each interpreter).
//
// Callable from any thread, with or without a GIL.
#pragma once
#include <cstddef>
#include <string_view>

namespace allcores::interpreter {

// What an image of this owner (interpreter/image_owner.h) should call instead of the function of
// that name; null: the same.
void* thread_end_replacement(std::size_t owner, std::string_view name) noexcept;

}  // namespace allcores::interpreter
